import type { Subscription } from '@logistically/events-kernel';
import { createBodies, TYPE } from './body.ts';
import type { OpenPart, Part } from './part.ts';
import { inBatches } from './publishing.ts';
import { openSubject, type Subject, type SubjectOptions } from './subject.ts';
import { expectCount, Tally, TimedTally } from './tally.ts';
import { WARM_UP_GROUP } from './warm-up.ts';

export interface ConsumeOptions extends SubjectOptions {
  readonly concurrency: number;
  /** An `async` handler. */
  readonly async?: true;
}

const subscribe = (
  { kernel }: Subject,
  tally: Tally,
  { concurrency, async }: ConsumeOptions,
  group = 'bench',
): Promise<Subscription> =>
  kernel.subscribe(
    TYPE,
    async
      ? async ({ body }) => {
          tally.add(body);
        }
      : ({ body }) => tally.add(body),
    { group, from: 'earliest', concurrency },
  );

/** Resolves when Redis has the acknowledgement of all that was handled, which is where the raw loop ends too. */
const acknowledged = async ({ topic }: Subject): Promise<void> => {
  while ((await topic()).pending > 0);
};

const consumer = (subject: Subject, tally: Tally, begin: () => Promise<unknown>): Part => ({
  async run() {
    await begin();
    await tally.complete;
    await acknowledged(subject);
    return tally.figures();
  },
  async verify() {
    tally.verify();
    const { delivered, settled, inFlight } = subject.kernel.stats();
    expectCount('Settled deliveries', settled, delivered);
    expectCount('Deliveries that we left unsettled', inFlight + (await subject.topic()).pending, 0);
  },
  close: async () => void (await subject.kernel.stop()),
});

/** Drains a backlog, measured from `subscribe` to the last acknowledgement. */
export const drain =
  (bytes: number, options: ConsumeOptions): OpenPart =>
  async ({ url, events }) => {
    const subject = await openSubject(url, options);
    const tally = new Tally(events);
    await inBatches(1000, 1)(subject.kernel, createBodies(bytes), events);
    const warmUp = new Tally(events);
    const warming = await subscribe(subject, warmUp, options, WARM_UP_GROUP);
    await warmUp.complete;
    await warming.unsubscribe();
    return consumer(subject, tally, () => subscribe(subject, tally, options));
  };

const live =
  (createTally: (events: number) => Tally, options: ConsumeOptions): OpenPart =>
  async ({ url, events }) => {
    const subject = await openSubject(url, options);
    const tally = createTally(events);
    await subscribe(subject, tally, options);
    return consumer(subject, tally, async () => {});
  };

/** Consumes what is published meanwhile. */
export const consumeLive = (options: ConsumeOptions): OpenPart => live((events) => new Tally(events), options);

/** The same, noting latencies. */
export const consumeTimed = (options: ConsumeOptions): OpenPart => live((events) => new TimedTally(events), options);
