import mittModule, { type Emitter } from 'mitt';
import { jsonCodec } from './codec.ts';
import { createConsumption } from './consumption.ts';
import { createContext } from './context.ts';
import type { Core } from './core.ts';
import { drained, finish, shares } from './deadline.ts';
import { aborted, fail } from './error.ts';
import type { EventMap } from './event-map.ts';
import type { Feature } from './feature.ts';
import { createIds } from './id.ts';
import type { EventBus, Health, Kernel, KernelOptions, StopReport } from './kernel.ts';
import type { LifecycleEvents, On } from './lifecycle.ts';
import { consoleLogger } from './logger.ts';
import { CONSUME_STAGES, type Middleware, PUBLISH_STAGES } from './middleware.ts';
import type { OutgoingEvent } from './outgoing-event.ts';
import { type Awaitable, compose, type Path, pass } from './path.ts';
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
    propagate = true,
    startTimeoutMs = 30_000,
    stopTimeoutMs = 10_000,
    stallMs = 60_000,
  }: KernelOptions = Object(options);
  checkTopic(service);
  if (originPrefix) checkType(originPrefix);

  const transports = new Map<string, Transport>();
  const middlewares = new Map<string, Middleware>();
  const features = new Map<string, Feature>();
  const plugins = new Map<string, Map<string, Plugin>>([
    ['transport', transports],
    ['middleware', middlewares],
    ['feature', features],
  ]);
  const startTasks: (() => Awaitable<void>)[] = [];
  const stopTasks: ((deadline: number) => Awaitable<void>)[] = [];
  const checks: { readonly name: string; readonly health: () => Awaitable<readonly string[]> }[] = [];
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

  const transportOf = (name?: string): Transport =>
    transports.get(name ?? ([...transports.keys()][0] as string)) ??
    fail('EVENTS_NO_TRANSPORT', `There is no transport ${name ?? ''}: use() one before start().`);
  const attempt = (what: string, deadline: number, work: () => unknown): Promise<unknown> =>
    finish(what, deadline, work).catch((reason) => logger.error({ reason }, `${what} failed.`));
  const prefixes = originPrefix && origins !== '*' && [originPrefix, ...origins].map((prefix) => `${prefix}.`);
  const core: Core = {
    ...{ service, originPrefix, codec, logger, topics, emit, transportOf, attempt, startTimeoutMs, stallMs },
    ids: createIds(),
    context: createContext(propagate),
    counts: { delivered: 0, settled: 0, failed: 0, filtered: 0, undecodable: 0 },
    sees: (event) => !prefixes || prefixes.some((prefix) => `${event.header.originPrefix}.`.startsWith(prefix)),
  };
  const publisher = createPublisher(core);
  const consumption = createConsumption(core);
  // The codec encodes before every layer does, so it comes first in its stage, to decode last.
  middlewares.set('', { kind: 'middleware', name: '', consume: { stage: 'decode', layer: consumption.decode } });

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
    const { kind, name }: Plugin = Object(plugin);
    const alike = plugins.get(kind);
    if (state !== 'new' || !alike || typeof name !== 'string')
      fail('EVENTS_CONFIG', `use(${String(name)}): use() takes what a plugin's factory returns, before start().`);
    if (alike.has(name)) fail('EVENTS_DUPLICATE_NAME', `There is a ${kind} named ${name} already.`);
    alike.set(name, plugin);
    if (plugin.kind === 'feature') {
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
        onHealth: (health) => checks.push({ name, health }),
        onStart: (task) => startTasks.push(task),
        onStop: (task) => stopTasks.push(task),
      });
      for (const key in api)
        if (key in kernel) fail('EVENTS_DUPLICATE_NAME', `${name} gives \`${key}\`, which is there already.`);
      Object.assign(kernel, api);
    }
    return kernel;
  };

  /** What the middlewares have on a side, by stage and then in the order of `use`. */
  const partsOf = <Side extends 'publish' | 'consume'>(side: Side, stages: readonly string[]) =>
    stages.flatMap((stage) => {
      const parts = [...middlewares.values()].flatMap(({ [side]: part }) =>
        part?.stage === stage ? [part as NonNullable<Middleware[Side]>] : [],
      );
      // What was encoded last is decoded first.
      return stage === 'decode' ? parts.reverse() : parts;
    });

  /** The end of the publish path: each event to its transport. */
  const toTransports: Path<OutgoingEvent> = (batch, settle) => {
    const name = batch[0]?.transport;
    const others = batch.filter((event) => event.transport !== name);
    const own = others.length ? batch.filter((event) => event.transport === name) : batch;
    pass((events) => transportOf(name).publish(events, settle), own, settle);
    if (others.length) toTransports(others, settle);
  };

  const start = async (): Promise<unknown> => {
    if (state !== 'new') fail('EVENTS_CONFIG', `start() was called on a kernel that is ${state}.`);
    transportOf();
    for (const feature of features.values()) providerOf(feature);
    state = 'starting';
    const own: Transport[] = [];
    opened = own;
    const deadline = Date.now() + startTimeoutMs;
    // Nothing more is begun once stop() was called.
    const step = (what: string, work: () => unknown): Promise<unknown> =>
      finish(what, deadline, () => opened === own && work());
    try {
      for (const transport of transports.values())
        await step(transport.name, async () => {
          own.push(transport);
          try {
            await transport.open({ service, logger, emit });
          } catch (thrown) {
            // What refuses has closed what it opened; to close it would take it from another kernel that has it.
            own.pop();
            throw thrown;
          }
        });
      await step('A layer', () =>
        publisher.open(
          compose(
            partsOf('publish', PUBLISH_STAGES).map(({ layer }) => layer),
            toTransports,
          ),
        ),
      );
      for (const task of startTasks) await step('A feature', task);
      await step('Subscribing', () => consumption.start(partsOf('consume', CONSUME_STAGES)));
    } catch (thrown) {
      if (opened === own) {
        await stop();
        throw thrown;
      }
    }
    // Whatever failed after stop() was called failed because of that.
    if (opened !== own) throw aborted('start()');
    state = 'running';
    emit('started', { service });
    return kernel;
  };

  const shutDown = async (timeoutMs: number): Promise<StopReport> => {
    const deadline = Date.now() + timeoutMs;
    const at = shares(deadline);
    const closing = opened;
    state = 'stopping';
    opened = [];
    emit('stopping', { service, deadline });
    const unsettled = await consumption.stop(at(0.8));
    publisher.open();
    const unpublished = await drained(() => publisher.stats().publishing, at(0.9));
    for (const task of stopTasks.toReversed()) await attempt('A feature', at(0.95), () => task(deadline));
    await Promise.all(closing.map((transport) => attempt(transport.name, deadline, () => transport.close(deadline))));
    core.context.end();
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
        (opened.length ? [...opened, ...checks] : []).map(async (asked) => {
          const check = finish('Its health check', Date.now() + 2000, () => asked.health?.());
          const found = await check.catch(({ message }) => [message]);
          for (const problem of found ?? []) problems.push({ source: asked.name, problem });
        }),
      );
      return { healthy: !problems.length, problems };
    },
    stats: () => ({ ...publisher.stats(), ...core.counts, inFlight: consumption.inFlight() }),
    [Symbol.asyncDispose]: () => stop(),
  };
  return kernel as unknown as Kernel<object, Events>;
};
