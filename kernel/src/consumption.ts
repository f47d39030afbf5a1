import type { Codec } from './codec.ts';
import type { Context } from './context.ts';
import { EventsError, isEventsError } from './error.ts';
import { within } from './deadline.ts';
import type { Delivery, Envelope, Receiver } from './event.ts';
import { type AnyHandler, Group } from './group.ts';
import type { LifecycleEvents } from './lifecycle.ts';
import type { Logger } from './logger.ts';
import { CONSUME_STAGES, type Middleware } from './middleware.ts';
import { asReason, compose, type Layer, type Path, type Settle } from './path.ts';
import { checkPattern } from './pattern.ts';
import { checkTopic, type Topics, type TopicStrategy } from './topic.ts';
import type { From, Transport, TransportConsumer } from './transport.ts';

export interface SubscribeOptions {
  /** Consumers of one group share its events. Default: the service's name. */
  readonly group?: string;
  /** Where a group begins that does not exist yet. Default `'latest'`. */
  readonly from?: From;
  /** How many events the handler may work on at once. Default 1, which keeps their order. */
  readonly concurrency?: number;
  /** Ends the subscription. */
  readonly signal?: AbortSignal;
  /** Name of the transport. Default: the first one used. */
  readonly transport?: string;
  /** Only these partitions. Default: all. */
  readonly partitions?: readonly number[];
}

export interface Subscription {
  readonly pattern: string;
  readonly group: string;
  /** Stops reading, lets the handler finish, hands back what is left. By the deadline (ms, default 10 000). */
  readonly unsubscribe: (timeoutMs?: number) => Promise<void>;
}

interface ConsumptionOptions {
  readonly service: string;
  readonly originPrefix?: string;
  readonly origins?: readonly string[] | '*';
  readonly stallMs?: number;
  readonly codec: Codec;
  readonly context: Context;
  readonly topics: TopicStrategy;
  readonly logger: Logger;
  readonly emit: <K extends keyof LifecycleEvents>(type: K, event: LifecycleEvents[K]) => void;
  readonly transport: (name?: string) => Transport;
}

type Quietly = (what: string, work: Promise<unknown>) => Promise<boolean>;

interface Counts {
  delivered: number;
  settled: number;
  failed: number;
  filtered: number;
  undecodable: number;
}

/** What is open of a subscription, from one start to the next stop. */
interface Session {
  readonly group: Group;
  consumer?: TransportConsumer;
  readonly remove?: () => void;
  inFlight: number;
  idle: (() => void) | undefined;
}

interface Entry {
  readonly pattern: string;
  readonly group: string;
  readonly handler: AnyHandler;
  readonly concurrency: number;
  readonly options: SubscribeOptions;
  session?: Session | undefined;
  ending?: Promise<void>;
}

const visibility = (prefix: string | undefined, origins: readonly string[] | '*' = []): ((event: Envelope) => boolean) => {
  if (prefix === undefined || origins === '*') return () => true;
  const seen = [prefix, ...origins];
  return ({ header: { originPrefix } }) =>
    originPrefix !== undefined && seen.some((own) => originPrefix === own || originPrefix.startsWith(`${own}.`));
};

/** Everything on the way from the transports to the handlers. */
export class Consumption {
  readonly #options: ConsumptionOptions;
  readonly #visible: (event: Envelope) => boolean;
  readonly #groups = new Map<string, Group>();
  readonly #entries = new Set<Entry>();
  readonly counts: Counts = { delivered: 0, settled: 0, failed: 0, filtered: 0, undecodable: 0 };
  #path: Path<Delivery> = () => {};
  #running = false;
  #watch: NodeJS.Timeout | undefined;
  #progress = { settled: 0, since: Date.now() };

  constructor(options: ConsumptionOptions) {
    this.#options = options;
    this.#visible = visibility(options.originPrefix, options.origins);
  }

  compose(middlewares: readonly Middleware[]): void {
    const layers = CONSUME_STAGES.flatMap((stage): Layer<Delivery>[] => {
      const own = middlewares.flatMap(({ consume }) => (consume?.stage === stage ? [consume.layer] : []));
      return stage === 'decode' ? [...own.reverse(), this.#decode] : own;
    });
    this.#path = compose(layers, (batch, settle) => {
      for (const delivery of batch) (delivery._receiver as Receiver).receive(delivery, settle);
    });
  }

  async subscribe(pattern: string, handler: AnyHandler, options: SubscribeOptions = {}): Promise<Subscription> {
    checkPattern(pattern);
    const { group = this.#options.service, concurrency = 1, signal } = options;
    if (typeof handler !== 'function') throw new EventsError('EVENTS_CONFIG', `The handler of ${pattern} is no function.`);
    if (!Number.isInteger(concurrency) || concurrency < 1)
      throw new EventsError('EVENTS_CONFIG', '`concurrency` must be a whole number from 1 on.');
    checkTopic(group);
    signal?.throwIfAborted();
    const entry: Entry = { pattern, group, handler, concurrency, options };
    this.#entries.add(entry);
    const unsubscribe = (timeoutMs = 10_000): Promise<void> => (entry.ending ??= this.#end(entry, Date.now() + timeoutMs));
    if (this.#running)
      await this.#open(entry).catch((thrown) => {
        this.#entries.delete(entry);
        throw thrown;
      });
    signal?.addEventListener('abort', () => void unsubscribe(), { once: true });
    return { pattern, group, unsubscribe };
  }

  /** The consume path for deliveries that come from elsewhere. */
  through(handler: AnyHandler, name: string): Path<Delivery> {
    const group = this.#newGroup(name);
    group.add('*', handler, Number.MAX_SAFE_INTEGER);
    return this.#boundary({ group, inFlight: 0, idle: undefined });
  }

  async start(): Promise<void> {
    this.#running = true;
    await Promise.all([...this.#entries].map((entry) => this.#open(entry)));
    const { stallMs = 60_000 } = this.#options;
    this.#watch = setInterval(() => this.#idleMs(), Math.min(stallMs / 4, 2 ** 31 - 1)).unref();
  }

  /** Resolves with the number of deliveries that were handed back unfinished. */
  async stop(deadline: number, quietly: Quietly): Promise<number> {
    this.#running = false;
    clearInterval(this.#watch);
    const left = await Promise.all([...this.#entries].map((entry) => this.#close(entry, deadline, quietly)));
    this.#groups.clear();
    return left.reduce((sum, count) => sum + count, 0);
  }

  stalls(): { source: string; problem: string }[] {
    const { stallMs = 60_000 } = this.#options;
    const idleMs = this.#idleMs();
    if (idleMs < stallMs) return [];
    const seconds = Math.round(idleMs / 1000);
    return [{ source: 'handlers', problem: `${this.#inFlight()} deliveries in flight, none settled for ${seconds} s` }];
  }

  stats(): Counts & { readonly inFlight: number } {
    return { ...this.counts, inFlight: this.#inFlight() };
  }

  #inFlight(): number {
    let sum = 0;
    for (const { session } of this.#entries) sum += session?.inFlight ?? 0;
    return sum;
  }

  /** For how long deliveries have been in flight with none settled, in ms. */
  #idleMs(): number {
    const settled = this.counts.settled + this.counts.failed;
    if (settled !== this.#progress.settled || this.#inFlight() === 0) this.#progress = { settled, since: Date.now() };
    return Date.now() - this.#progress.since;
  }

  #newGroup(name: string): Group {
    const { logger, context } = this.#options;
    return new Group({ group: name, logger, context, visible: this.#visible, onFiltered: () => this.counts.filtered++ });
  }

  async #open(entry: Entry): Promise<void> {
    const { pattern, handler, concurrency, options } = entry;
    const { from = 'latest', partitions } = options;
    const transport = this.#options.transport(options.transport);
    if (!transport.subscribe)
      throw new EventsError('EVENTS_MISSING_CAPABILITY', `${transport.name} only publishes: subscribe to ${pattern} on another transport.`);
    // Without groups every subscription gets every event, so each has handlers of its own.
    const scope = `${transport.name}/${entry.group}`;
    const shared = transport.capabilities.groups === undefined ? undefined : this.#groups.get(scope);
    const group = shared ?? this.#newGroup(entry.group);
    this.#groups.set(scope, group);
    const session: Session = { group, remove: group.add(pattern, handler, concurrency), inFlight: 0, idle: undefined };
    entry.session = session;
    try {
      session.consumer = await transport.subscribe(
        { topics: this.#topicsOf(pattern), group: entry.group, from, concurrency, ...(partitions && { partitions }) },
        this.#boundary(session),
      );
    } catch (thrown) {
      session.remove?.();
      entry.session = undefined;
      throw thrown;
    }
    this.#options.emit('subscribed', { pattern, group: entry.group, transport: transport.name });
  }

  #topicsOf(pattern: string): Topics {
    const { topicOf, topicsOf } = this.#options.topics;
    const topics = pattern.includes('*') ? (topicsOf?.(pattern) ?? 'all') : [topicOf(pattern)];
    if (topics !== 'all') topics.forEach(checkTopic);
    return topics;
  }

  async #end(entry: Entry, deadline: number): Promise<void> {
    const { logger, emit, transport } = this.#options;
    await this.#close(entry, deadline, (what, work) =>
      within(work, deadline).catch((reason) => {
        logger.error({ reason }, `${what} failed while unsubscribing.`);
        return false;
      }),
    );
    this.#entries.delete(entry);
    emit('unsubscribed', { pattern: entry.pattern, group: entry.group, transport: transport(entry.options.transport).name });
  }

  /** Stop reading, let finish, fire the signals, hand back: each gets its share of the time that is left. */
  async #close(entry: Entry, deadline: number, quietly: Quietly): Promise<number> {
    const { session } = entry;
    if (!session?.consumer) return 0;
    const { consumer, group } = session;
    const start = Date.now();
    const at = (share: number): number => start + (deadline - start) * share;
    const idle = (): Promise<void> =>
      session.inFlight === 0 ? Promise.resolve() : new Promise((resolve) => (session.idle = resolve));
    await quietly('A subscription', consumer.stop());
    if (!(await within(idle(), at(0.7)))) {
      group.abort(new EventsError('EVENTS_ABORTED', 'The service stops: time for this handler is up.'));
      await within(idle(), at(0.85));
    }
    const left = session.inFlight;
    await quietly('A subscription', consumer.close(deadline));
    // Only now: while deliveries still come, an event without its handler would pass as not ours.
    session.remove?.();
    entry.session = undefined;
    return left;
  }

  /** Where deliveries enter the consume path, and where each leaves it once. */
  #boundary(session: Session): Path<Delivery> {
    const { group } = session;
    const settle: Settle<Delivery> = (delivery, reason) => {
      if (delivery._settled) {
        this.#options.emit('settledTwice', { topic: delivery.topic, cursor: delivery.cursor });
        return;
      }
      delivery._settled = true;
      if (delivery._abort) group.forget(delivery);
      const outcome = reason === undefined ? this.#done() : this.#notDone(delivery, reason);
      (delivery._settle as Settle<Delivery>)(delivery, outcome);
      if (--session.inFlight === 0) session.idle?.();
    };
    return (batch, settleTransport) => {
      session.inFlight += batch.length;
      this.counts.delivered += batch.length;
      for (const delivery of batch) {
        delivery._receiver = group;
        delivery._settle = settleTransport;
      }
      try {
        this.#path(batch, settle);
      } catch (thrown) {
        for (const delivery of batch) if (!delivery._settled) settle(delivery, asReason(thrown));
      }
    };
  }

  #done(): undefined {
    this.counts.settled++;
  }

  #notDone(delivery: Delivery, reason: unknown): unknown {
    const { emit, logger } = this.#options;
    const { topic, partition, cursor, attempt, group } = delivery;
    // What can never be decoded would come back for ever; no plugin kept it, so it is told of and left in the topic.
    if (isEventsError(reason) && reason.code === 'EVENTS_UNDECODABLE') {
      this.counts.undecodable++;
      logger.error({ topic, partition, cursor, group, reason }, 'An entry is no event; it stays in the topic, settled.');
      emit('undecodable', { delivery, reason });
      return undefined;
    }
    this.counts.failed++;
    logger.warn({ topic, partition, cursor, group, attempt, reason }, 'A delivery failed and will come back.');
    emit('failed', { delivery, reason });
    return reason;
  }

  readonly #decode: Layer<Delivery> = (next) => (batch, settle) => {
    const { codec } = this.#options;
    let decoded: Delivery[] | undefined;
    for (let index = 0; index < batch.length; index++) {
      const delivery = batch[index] as Delivery;
      try {
        delivery.envelope ??= codec.decode(delivery.payload);
        decoded?.push(delivery);
      } catch (thrown) {
        decoded ??= batch.slice(0, index);
        settle(delivery, asUndecodable(thrown));
      }
    }
    if (!decoded) next(batch, settle);
    else if (decoded.length > 0) next(decoded, settle);
  };
}

/** Whatever a codec throws means the same: this entry will never be read. */
const asUndecodable = (cause: unknown): EventsError =>
  isEventsError(cause) && cause.code === 'EVENTS_UNDECODABLE'
    ? cause
    : new EventsError('EVENTS_UNDECODABLE', 'The codec cannot read the entry. It is reported raw and not tried again.', {
        cause,
        permanent: true,
      });
