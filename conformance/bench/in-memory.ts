import { createKernel } from '@logistically/events-kernel';
import { memory } from '@logistically/events-memory';
import Emittery from 'emittery';
import mittModule, { type Emitter } from 'mitt';
import { type BenchBody, type BenchEvents, bodyOf, createBodies, TYPE } from './body.ts';
import type { OpenPart } from './part.ts';
import type { BenchKernel } from './subject.ts';
import { Tally } from './tally.ts';
import { WARM_UP } from './warm-up.ts';

const BYTES = 200;

export interface LocalOptions {
  /** How many handlers see each event. Default 1. */
  readonly handlers?: number;
  /** `async` handlers. */
  readonly async?: true;
}

export interface BusOptions extends LocalOptions {
  /** The memory transport's own option: whether bodies go through the codec. */
  readonly isolate: boolean;
  /** The kernel's own option. Default true. */
  readonly propagate?: boolean;
}

type Handle = (body: BenchBody) => unknown;
type Send = (body: BenchBody, index: number) => unknown;

/** What is measured, with its handlers subscribed. */
interface Bus {
  /** Sends one event; awaited. */
  readonly send: Send;
  readonly close?: () => Promise<unknown>;
}

const local =
  (open: (handlers: readonly Handle[]) => Promise<Bus>, { handlers = 1, async }: LocalOptions = {}): OpenPart =>
  async ({ events }) => {
    const tallies = Array.from({ length: handlers }, () => new Tally(WARM_UP + events));
    const bodies = createBodies(BYTES);
    const bus = await open(
      tallies.map((tally) => (async ? async (body: BenchBody) => tally.add(body) : (body) => tally.add(body))),
    );
    const send = async (from: number, to: number): Promise<void> => {
      for (let index = from; index < to; index++) {
        const sent = bus.send(bodyOf(bodies, index), index);
        if (sent) await sent;
      }
    };
    await send(0, WARM_UP);
    return {
      async run(count) {
        await send(WARM_UP, WARM_UP + count);
        await Promise.all(tallies.map(({ complete }) => complete));
      },
      verify: async () => tallies.forEach((tally) => void tally.verify()),
      close: async () => void (await bus.close?.()),
    };
  };

// mitt's types declare the default export of a CommonJS module; under Node's ESM it is the function itself.
const createMitt = mittModule as unknown as () => Emitter<Record<string, BenchBody>>;

/** `mitt`: `emit` calls the handlers and returns. */
export const mittEmit = (options: LocalOptions): OpenPart =>
  local(async (handlers) => {
    const emitter = createMitt();
    for (const handler of handlers) emitter.on(TYPE, handler);
    return { send: (body) => emitter.emit(TYPE, body) };
  }, options);

/** `emittery`: `await emit`. */
export const emitteryEmit = (options: LocalOptions): OpenPart =>
  local(async (handlers) => {
    const emitter = new Emittery<Record<string, BenchBody>>();
    for (const handler of handlers) emitter.on(TYPE, handler as (body: BenchBody) => void);
    return { send: (body) => emitter.emit(TYPE, body) };
  }, options);

const CONCURRENCY = 1000;

const openBus = async ({ isolate, propagate = true }: BusOptions): Promise<BenchKernel> =>
  createKernel<BenchEvents>({ service: 'bench', propagate }).use(memory({ isolate })).start();

const bus =
  (options: BusOptions, sendOn: (kernel: BenchKernel) => Send) =>
  async (handlers: readonly Handle[]): Promise<Bus> => {
    const kernel = await openBus(options);
    for (const handler of handlers)
      await kernel.subscribe(TYPE, ({ body }) => handler(body), { concurrency: CONCURRENCY });
    return { send: sendOn(kernel), close: () => kernel.stop() };
  };

/** `await publish()` on the memory transport. */
export const publishAwaited = (options: BusOptions): OpenPart =>
  local(
    bus(options, (kernel) => (body) => kernel.publish(TYPE, body)),
    options,
  );

/** `publish()` without waiting for it, except once in a thousand calls. */
export const publishUnawaited = (options: BusOptions): OpenPart =>
  local(
    bus(options, (kernel) => (body, index) => {
      const published = kernel.publish(TYPE, body);
      return index % 1000 === 999 ? published : undefined;
    }),
    options,
  );

const HOT_TYPES = Array.from({ length: 1024 }, (_, index) => `user.hot${index}`);

/** `await publish()` of 1024 types in turn, each with a handler of its own, among so many patterns that take none of them. */
export const publishAmongPatterns = (patterns: number): OpenPart =>
  local(async ([handler]) => {
    const kernel = await openBus({ isolate: false });
    for (const type of HOT_TYPES)
      await kernel.subscribe(type, ({ body }) => (handler as Handle)(body), { concurrency: CONCURRENCY });
    for (let index = 0; index < patterns; index++)
      await kernel.subscribe(`user.*.cold${index}`, () => {}, { concurrency: CONCURRENCY });
    return {
      send: (body, index) => kernel.publish(HOT_TYPES[index % HOT_TYPES.length] as string, body),
      close: () => kernel.stop(),
    };
  });
