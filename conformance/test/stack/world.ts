import { createKernel, type EventBus, EventsError, isEventsError, type StopReport } from '@logistically/events-kernel';
import { memory } from '@logistically/events-memory';
import { SharedHandle } from '../../src/handle.ts';
import { until } from '../../src/until.ts';
import { type PluginName, type StackOptions, stackOf } from './plugins.ts';

/** How the handler takes the events of one key. */
export interface Fate {
  /** So many calls fail before one succeeds. */
  readonly failures: number;
  /** Fails with a reason that nothing can mend. */
  readonly permanent: boolean;
}

export type Step =
  | { readonly do: 'publish'; readonly count: number; readonly fate: Fate; readonly together: boolean }
  | { readonly do: 'repeat'; readonly which: number }
  | { readonly do: 'join' }
  | { readonly do: 'leave' }
  | { readonly do: 'wait'; readonly ms: number };

export interface Story {
  readonly names: readonly PluginName[];
  readonly options: StackOptions;
  readonly concurrency: number;
  readonly steps: readonly Step[];
}

interface Body {
  readonly key: number;
}

const GROUP = 'shop';
const TOPIC = 'order-events';
const silent = { debug() {}, info() {}, warn() {}, error() {} };

/** Up to three processes of a service with one stack, on one memory transport, to which a story happens. */
export class World {
  readonly #transport = memory({ redeliverMs: 1 });
  readonly #shared = new SharedHandle(this.#transport);
  readonly #story: Story;
  /** The first one publishes. */
  readonly #kernels: EventBus[] = [];
  readonly #fates: Fate[] = [];
  readonly #publishing: Promise<unknown>[] = [];
  readonly calls = new Map<number, number>();
  readonly successes = new Map<number, number>();
  /** How often each key was confirmed as published, and how often it was refused. */
  readonly confirmed = new Map<number, number>();
  readonly refused: unknown[] = [];
  readonly running = new Map<number, number>();
  /** What each process reported when it stopped. */
  readonly reports: StopReport[] = [];
  /** Keys that were handled twice at the same time. */
  readonly overlapping: number[] = [];

  constructor(story: Story) {
    this.#story = story;
  }

  get #publisher(): EventBus {
    return this.#kernels[0] as EventBus;
  }

  get fates(): readonly Fate[] {
    return this.#fates;
  }

  async play(step: Step): Promise<void> {
    if (step.do === 'publish') {
      const keys = Array.from({ length: step.count }, () => this.#fates.push(step.fate) - 1);
      if (step.together) this.#publishing.push(this.#publishAll(keys));
      else for (const key of keys) this.#publishing.push(this.#publish(key));
    } else if (step.do === 'repeat') {
      if (this.#fates.length > 0) this.#publishing.push(this.#publish(step.which % this.#fates.length));
    } else if (step.do === 'join') {
      if (this.#kernels.length < 3) await this.join();
    } else if (step.do === 'leave') {
      if (this.#kernels.length > 1) this.reports.push(await (this.#kernels.pop() as EventBus).stop());
    } else await new Promise((resolve) => setTimeout(resolve, step.ms));
  }

  /** Waits until every publish is answered and nothing is left in the group. */
  async settle(timeoutMs: number): Promise<void> {
    await Promise.all(this.#publishing);
    const { inspect } = this.#transport.capabilities;
    let left = 'unknown';
    await until(
      async () => {
        const { partitions } = await inspect.topic(TOPIC);
        const groups = partitions.flatMap(({ groups }) => groups);
        left = JSON.stringify(groups.map(({ lag, pending, delayed }) => ({ lag, pending, delayed })));
        return groups.every(({ lag, pending }) => lag === 0 && pending === 0);
      },
      timeoutMs,
      () => `nothing is left: ${left}`,
    );
  }

  /** Keys of the stored events, each as often as it is there. */
  stored(): Promise<readonly number[]> {
    return this.#keysIn(TOPIC);
  }

  /** Keys of the events that lie among the dead letters. */
  dead(): Promise<readonly number[]> {
    return this.#keysIn(`dlq:${TOPIC}`);
  }

  async stop(): Promise<void> {
    for (const kernel of this.#kernels.splice(0)) this.reports.push(await kernel.stop());
  }

  /** Starts another process. */
  async join(): Promise<void> {
    const { names, options, concurrency } = this.#story;
    const kernel = createKernel({ service: GROUP, logger: silent }).use(this.#shared.view());
    for (const feature of stackOf(names, options)) kernel.use(feature as never);
    this.#kernels.push(kernel);
    await kernel.subscribe('order.*', ({ body }) => this.#handle(body as Body), { from: 'earliest', concurrency });
    await kernel.start();
  }

  async #keysIn(topic: string): Promise<readonly number[]> {
    const { log } = this.#transport.capabilities;
    const entries = (await log.topics()).includes(topic)
      ? await log.read(topic, { from: 'earliest', limit: 10_000 })
      : [];
    return entries.map(({ payload }) => (JSON.parse(payload.toString()) as { readonly body: Body }).body.key);
  }

  async #handle({ key }: Body): Promise<void> {
    const { failures, permanent } = this.#fates[key] as Fate;
    const running = this.running.get(key) ?? 0;
    if (running > 0) this.overlapping.push(key);
    this.running.set(key, running + 1);
    const calls = (this.calls.get(key) ?? 0) + 1;
    this.calls.set(key, calls);
    try {
      if (key % 3 === 0) await new Promise((resolve) => setImmediate(resolve));
      if (permanent) throw new EventsError('EVENTS_TEST_NEVER', 'never', { permanent: true });
      if (calls <= failures) throw new Error('not yet');
      this.successes.set(key, (this.successes.get(key) ?? 0) + 1);
    } finally {
      this.running.set(key, (this.running.get(key) ?? 1) - 1);
    }
  }

  async #publish(key: number): Promise<void> {
    try {
      await this.#publisher.publish('order.placed', { key });
      this.#confirm(key);
    } catch (reason) {
      this.refused.push(reason);
    }
  }

  async #publishAll(keys: readonly number[]): Promise<void> {
    const failed = new Set<number>();
    try {
      await this.#publisher.publishBatch(keys.map((key) => ({ type: 'order.placed', body: { key } })));
    } catch (reason) {
      const { failures } = reason as {
        readonly failures?: readonly { readonly index: number; readonly reason: unknown }[];
      };
      if (!isEventsError(reason) || !failures) throw reason;
      for (const { index, reason: each } of failures) {
        failed.add(index);
        this.refused.push(each);
      }
    }
    keys.forEach((key, index) => {
      if (!failed.has(index)) this.#confirm(key);
    });
  }

  #confirm(key: number): void {
    this.confirmed.set(key, (this.confirmed.get(key) ?? 0) + 1);
  }
}
