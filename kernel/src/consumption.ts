import { undecodable } from './codec.ts';
import type { Core } from './core.ts';
import { drained } from './deadline.ts';
import type { Delivery } from './delivery.ts';
import { aborted, fail, isEventsError } from './error.ts';
import { createGroup, type Group } from './group.ts';
import type { Middleware } from './middleware.ts';
import { compose, filter, type Layer, type Path, type Settle } from './path.ts';
import { checkPattern } from './pattern.ts';
import { createSession, type Session } from './session.ts';
import { onAbort } from './signal.ts';
import { checkTopic, type Topics } from './topic.ts';
import type { From } from './transport.ts';
import type { AnyHandler } from './worker.ts';

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

/** Everything on the way from the transports to the handlers. */
interface Consumption {
  /** Decodes deliveries; the kernel's own layer of that stage. */
  readonly decode: Layer<Delivery>;
  readonly subscribe: (pattern: string, handler: AnyHandler, options?: SubscribeOptions) => Promise<Subscription>;
  /** The consume path for deliveries that come from elsewhere. */
  readonly through: (handler: AnyHandler, group: string) => Path<Delivery>;
  readonly start: (parts: readonly ConsumePart[]) => Promise<void>;
  /** Resolves with the number of deliveries that were handed back unfinished. */
  readonly stop: (deadline: number) => Promise<number>;
  readonly stalls: () => readonly string[];
  readonly inFlight: () => number;
}

type ConsumePart = NonNullable<Middleware['consume']>;

/** A subscription, open or not. */
interface Entry {
  readonly pattern: string;
  readonly group: string;
  readonly handler: AnyHandler;
  readonly from: From;
  readonly concurrency: number;
  readonly transport: string | undefined;
  readonly partitions: readonly number[] | undefined;
  session?: Session | undefined;
  /** Takes the handler out of its group. */
  remove?: () => () => number;
}

export const createConsumption = (core: Core): Consumption => {
  const { service, codec, topics, emit, transportOf, stallMs } = core;
  const groups = new Map<string, Group>();
  const entries = new Set<Entry>();
  let running = false;
  let parts: readonly ConsumePart[] = [];
  let path: Path<Delivery> = () => fail('EVENTS_NOT_RUNNING', 'The kernel is not running: deliver after start().');

  const decode = filter<Delivery>((delivery) => {
    try {
      delivery.envelope ??= codec.decode(delivery.payload);
    } catch (thrown) {
      throw isEventsError(thrown) ? thrown : undecodable('the codec cannot read it', thrown);
    }
    return true;
  });

  const sessionOf = (name: string, transport: string, group: string, handlers: Group): Session =>
    createSession(core, (batch, settle) => path(batch, settle), name, transport, group, handlers);

  const topicsOf = (pattern: string): Topics => {
    const found = pattern.includes('*') ? (topics.topicsOf?.(pattern) ?? 'all') : [topics.topicOf(pattern)];
    return found === 'all' ? found : found.map(checkTopic);
  };

  const close = async (entry: Entry, deadline: number): Promise<number> => {
    const { session } = entry;
    await session?.close(deadline);
    // Only now: while deliveries still come, an event without its handler would pass as not ours.
    const busy = entry.remove?.();
    // Others of the group may have given it deliveries too.
    if (busy) await drained(busy, deadline);
    entry.session = undefined;
    return session?.inFlight() ?? 0;
  };

  const open = async (entry: Entry): Promise<void> => {
    const { pattern, group, handler, from, concurrency, partitions } = entry;
    const transport = transportOf(entry.transport);
    // Without groups every subscription gets every event, so each has handlers of its own.
    const scope = `${transport.name} ${group}`;
    const handlers = (transport.capabilities.groups && groups.get(scope)) || createGroup(core);
    groups.set(scope, handlers);
    const session = sessionOf(pattern, transport.name, group, handlers);
    entry.session = session;
    const wrapped = parts.reduceRight((inner, part) => part.handler?.(inner, { pattern, group }) ?? inner, handler);
    entry.remove = handlers.add(pattern, wrapped, concurrency);
    try {
      await session.open(
        async () =>
          transport.subscribe?.(
            { topics: topicsOf(pattern), group, from, concurrency, ...(partitions && { partitions }) },
            session.deliver,
          ) ?? fail('EVENTS_MISSING_CAPABILITY', `${transport.name} only publishes: subscribe on another transport.`),
      );
    } catch (thrown) {
      await close(entry, Date.now());
      throw thrown;
    }
    emit('subscribed', { pattern, group, transport: transport.name });
  };

  return {
    decode,
    async subscribe(pattern, handler, options) {
      const {
        group = service,
        from = 'latest',
        concurrency = 1,
        transport,
        partitions,
        signal,
      }: SubscribeOptions = Object(options);
      checkPattern(pattern);
      checkTopic(group);
      if (typeof handler !== 'function' || !Number.isInteger(concurrency) || concurrency < 1)
        fail(
          'EVENTS_CONFIG',
          `subscribe(${pattern}) takes a function, and a whole number from 1 on as \`concurrency\`.`,
        );
      if (signal?.aborted) throw aborted(`Subscribing to ${pattern}`, signal);
      const entry: Entry = { pattern, group, handler, from, concurrency, transport, partitions };
      let ending: Promise<void> | undefined;
      const end = async (timeoutMs: number): Promise<void> => {
        ignore?.();
        const { session } = entry;
        await close(entry, Date.now() + timeoutMs);
        entries.delete(entry);
        if (session) emit('unsubscribed', { pattern, group, transport: session.transport });
      };
      const unsubscribe = (timeoutMs = 10_000): Promise<void> => {
        ending ??= end(timeoutMs);
        return ending;
      };
      const ignore = signal && onAbort(signal, () => unsubscribe());
      entries.add(entry);
      try {
        if (running) await open(entry);
      } catch (thrown) {
        await unsubscribe();
        throw thrown;
      }
      return { pattern, group, unsubscribe };
    },
    through(handler, group) {
      const handlers = createGroup(core);
      handlers.add('*', handler, Infinity);
      return sessionOf('', '', group, handlers).deliver;
    },
    async start(own) {
      parts = own;
      path = compose(
        parts.map(({ layer }) => layer),
        (batch, settle) => {
          // A layer that throws while it settles does not keep the delivery.
          const settleSafely: Settle<Delivery> = (delivery, reason) => {
            try {
              settle(delivery, reason);
            } catch (thrown) {
              delivery._session?.fail(delivery, thrown);
            }
          };
          for (const delivery of batch) delivery._session?.handlers.receive(delivery, settleSafely);
        },
      );
      running = true;
      await Promise.all([...entries].map(open));
    },
    async stop(deadline) {
      running = false;
      const left = await Promise.all([...entries].map((entry) => close(entry, deadline)));
      groups.clear();
      return left.reduce((sum, count) => sum + count, 0);
    },
    stalls: () =>
      [...entries].flatMap(({ pattern, group, session }) => {
        const ms = session?.stalledMs() ?? 0;
        return ms < stallMs ? [] : `${pattern} in ${group} has settled none of ${session?.inFlight()} for ${ms} ms`;
      }),
    inFlight: () => [...entries].reduce((sum, { session }) => sum + (session?.inFlight() ?? 0), 0),
  };
};
