import mittModule, { type Emitter } from 'mitt';
import { jsonCodec } from './codec.ts';
import { createConsumption } from './consumption.ts';
import { createContext } from './context.ts';
import type { Core } from './core.ts';
import { drained, finish } from './deadline.ts';
import { aborted, fail } from './error.ts';
import type { EventMap } from './event-map.ts';
import type { Feature } from './feature.ts';
import type { EventBus, Health, Kernel, KernelOptions, StopReport } from './kernel.ts';
import type { LifecycleEvents, On } from './lifecycle.ts';
import { consoleLogger } from './logger.ts';
import { CONSUME_STAGES, type Middleware, PUBLISH_STAGES } from './middleware.ts';
import type { OutgoingEvent } from './outgoing-event.ts';
import { type Awaitable, asReason, compose, type Path } from './path.ts';
import { checkType } from './pattern.ts';
import { createPublisher } from './publisher.ts';
import { checkTopic, firstSegment } from './topic.ts';
import type { Transport } from './transport.ts';

type Plugin = Transport | Middleware | Feature<object, never, unknown>;

// mitt's types declare the default export of a CommonJS module; under Node's ESM it is the function itself.
const mitt = mittModule as unknown as () => Emitter<LifecycleEvents>;

/** Makes a kernel. Add plugins with `use`, then `start` it. Give the events as a type argument to have them typed. */
export const createKernel = <Events extends { [K in keyof Events]: unknown } = EventMap>(
  options: KernelOptions,
): Kernel<object, Events> => {
  const {
    service,
    originPrefix,
    origins = [],
    logger = consoleLogger,
    codec = jsonCodec(),
    topics = firstSegment,
  } = options;
  const { propagate = true, startTimeoutMs = 30_000, stopTimeoutMs = 10_000, stallMs = 60_000 } = options;
  checkTopic(service);
  if (originPrefix) checkType(originPrefix);

  const transports = new Map<string, Transport>();
  const middlewares = new Map<string, Middleware>();
  const features = new Map<string, Feature>();
  const plugins: Record<string, Map<string, Plugin>> = {
    transport: transports,
    middleware: middlewares,
    feature: features,
  };
  const startTasks: (() => Awaitable<void>)[] = [];
  const stopTasks: ((deadline: number) => Awaitable<void>)[] = [];
  let state: 'new' | 'starting' | 'running' | 'stopping' = 'new';
  let stopping: Promise<StopReport> | undefined;
  /** The transports that the present start has opened. */
  let opened: Transport[] = [];

  const { emit, on: listen, off } = mitt();
  const on = ((type: '*', listener: (...heard: unknown[]) => unknown) => {
    // mitt stops at a listener that throws; the others must hear of it all the same.
    const safe = async (...heard: unknown[]): Promise<void> => {
      try {
        await listener(...heard);
      } catch (reason) {
        logger.error({ reason }, `A listener to ${type} threw.`);
      }
    };
    listen(type, safe);
    return () => off(type, safe);
  }) as On;

  const transportOf = (name?: string): Transport => {
    const [first] = transports.keys();
    return (
      transports.get(name ?? first ?? '') ??
      fail('EVENTS_NO_TRANSPORT', `There is no transport ${name ?? ''}: use() one before start().`)
    );
  };
  const attempt = (what: string, deadline: number, work: () => unknown): Promise<void> =>
    finish(what, deadline, work).catch((reason) => logger.error({ reason }, `${what} failed.`));
  const prefixes = originPrefix && origins !== '*' && [originPrefix, ...origins].map((prefix) => `${prefix}.`);
  const core: Core = {
    ...{ service, originPrefix, codec, logger, topics, emit, transportOf, attempt, startTimeoutMs, stallMs },
    context: createContext(propagate),
    counts: { delivered: 0, settled: 0, failed: 0, filtered: 0, undecodable: 0 },
    sees: (event) => !prefixes || prefixes.some((prefix) => `${event.header.originPrefix}.`.startsWith(prefix)),
  };
  const publisher = createPublisher(core);
  const consumption = createConsumption(core);

  /** The transport that offers what a feature requires. */
  const providerOf = ({ name, transport, requires = [] }: Feature): Transport => {
    const all = [...transports.values()];
    return (
      all.find((each) => each.name === (transport ?? each.name) && requires.every((one) => each.capabilities[one])) ??
      fail(
        'EVENTS_MISSING_CAPABILITY',
        `${name} needs a transport with ${requires}, as memory and redis-streams are. ${all.map((each) => `${each.name} has ${Object.keys(each.capabilities)}.`)}`,
      )
    );
  };

  const use = (plugin: Plugin): unknown => {
    const { kind, name } = plugin;
    if (state !== 'new' || !plugins[kind])
      fail('EVENTS_CONFIG', `use(${name}): use() takes what a plugin's factory returns, before start().`);
    if (plugins[kind].has(name)) fail('EVENTS_DUPLICATE_NAME', `There is a ${kind} named ${name} already.`);
    plugins[kind].set(name, plugin);
    if (kind === 'feature') {
      const api = plugin.setup({
        ...core,
        kernel: kernel as unknown as EventBus,
        on,
        use,
        transport: () => providerOf(plugin as Feature) as Transport<never>,
        transports: () => [...transports.values()],
        publish: publisher.publish,
        create: publisher.create,
        consume: consumption.through,
        onStart: (task) => startTasks.push(task),
        onStop: (task) => stopTasks.push(task),
      });
      for (const key in api)
        if (key in kernel) fail('EVENTS_DUPLICATE_NAME', `${name} gives \`${key}\`, which is there already.`);
      Object.assign(kernel, api);
    }
    return kernel;
  };

  /** The layers of a stage, in the order of `use`. */
  const layersOf = <Side extends 'publish' | 'consume'>(side: Side, stage: string) =>
    [...middlewares.values()].flatMap((each) => {
      const { stage: own, layer } = each[side] ?? {};
      return own === stage && layer ? [layer as NonNullable<Middleware[Side]>['layer']] : [];
    });

  /** The end of the publish path: each event to its transport. */
  const toTransports: Path<OutgoingEvent> = (batch, settle) => {
    const name = batch[0]?.transport;
    const mixed = batch.some((event) => event.transport !== name);
    const own = mixed ? batch.filter((event) => event.transport === name) : batch;
    try {
      transportOf(name).publish(own, settle);
    } catch (thrown) {
      for (const event of own) settle(event, asReason(thrown));
    }
    if (mixed)
      toTransports(
        batch.filter((event) => event.transport !== name),
        settle,
      );
  };

  const start = async (): Promise<unknown> => {
    if (state !== 'new') fail('EVENTS_CONFIG', `start() was called on a kernel that is ${state}.`);
    transportOf();
    for (const feature of features.values()) providerOf(feature);
    state = 'starting';
    const own: Transport[] = [];
    opened = own;
    const deadline = Date.now() + startTimeoutMs;
    const step = async (what: string, work: () => unknown): Promise<void> => {
      await finish(what, deadline, work);
      if (opened !== own) throw aborted('start()');
    };
    try {
      for (const transport of transports.values()) {
        own.push(transport);
        await step(transport.name, async () => {
          try {
            await transport.open({ service, logger, emit });
          } catch (thrown) {
            // What refuses has closed what it opened; to close it would take it from another kernel that has it.
            own.pop();
            throw thrown;
          }
        });
      }
      publisher.open(
        compose(
          PUBLISH_STAGES.flatMap((stage) => layersOf('publish', stage)),
          toTransports,
        ),
      );
      for (const task of startTasks) await step('A feature', task);
      const layers = CONSUME_STAGES.flatMap((stage) => {
        const own = layersOf('consume', stage);
        // What was encoded last is decoded first, and what the codec wrote last of all.
        return stage === 'decode' ? [...own.reverse(), consumption.decode] : own;
      });
      await step('Subscribing', () => consumption.start(layers));
    } catch (thrown) {
      if (opened === own) await stop();
      throw thrown;
    }
    state = 'running';
    emit('started', { service });
    return kernel;
  };

  const shutDown = async (timeoutMs: number): Promise<StopReport> => {
    const begin = Date.now();
    const at = (share: number): number => begin + share * timeoutMs;
    const deadline = at(1);
    const closing = opened;
    state = 'stopping';
    opened = [];
    emit('stopping', { service, deadline });
    const unsettled = await consumption.stop(at(0.8));
    publisher.open();
    await drained(() => publisher.stats().publishing, at(0.9));
    const unpublished = publisher.stats().publishing;
    for (const task of stopTasks.toReversed()) await attempt('A feature', at(0.95), () => task(deadline));
    await Promise.all(closing.map((transport) => attempt(transport.name, deadline, () => transport.close(deadline))));
    const report = { unsettled, unpublished };
    stopping = undefined;
    state = 'new';
    emit('stopped', { service, ...report });
    return report;
  };

  const stop = async (timeoutMs?: number): Promise<StopReport> => {
    if (state === 'new') return { unsettled: 0, unpublished: 0 };
    // A signal handler gives the name of its signal.
    stopping ??= shutDown(typeof timeoutMs === 'number' ? timeoutMs : stopTimeoutMs);
    return stopping;
  };

  const kernel = {
    service,
    use,
    start,
    stop,
    publish: publisher.publish,
    publishBatch: publisher.publishBatch,
    subscribe: consumption.subscribe,
    on,
    async health(): Promise<Health> {
      const problems = consumption.stalls().map((problem) => ({ source: 'handlers', problem }));
      if (state !== 'running') problems.push({ source: 'kernel', problem: `It is ${state}, not running.` });
      await Promise.all(
        opened.map(async (transport) => {
          let found: readonly string[] | undefined;
          await finish('Its health check', Date.now() + 2000, async () => {
            found = await transport.health?.();
          }).catch(({ message }) => {
            found = [message];
          });
          for (const problem of found ?? []) problems.push({ source: transport.name, problem });
        }),
      );
      return { healthy: !problems.length, problems };
    },
    stats: () => ({ ...publisher.stats(), ...core.counts, inFlight: consumption.inFlight() }),
    [Symbol.asyncDispose]: async (): Promise<void> => void (await stop()),
  };
  return kernel as unknown as Kernel<object, Events>;
};
