import {
  type BatchEvent,
  createKernel,
  each,
  type Logger,
  type Middleware,
  type OutgoingEvent,
  type Path,
  type Transport,
} from '@logistically/events-kernel';
import { onTestFinished } from 'vitest';
import { type BatchingOptions, batching } from '../src/index.ts';

export const quiet: Logger = { debug() {}, info() {}, warn() {}, error() {} };
/** Longer than any test takes: what goes all the same was not sent by the timer. */
export const LONG = 60_000;
export const DONE: Path<OutgoingEvent> = each(() => {});

/** What came to the end of the path; `hold` keeps it there until `release`. */
export class End {
  readonly batches: (readonly OutgoingEvent[])[] = [];
  readonly #held: (() => void)[] = [];
  path: Path<OutgoingEvent> = DONE;
  onClose: () => void = () => {};
  readonly hold: Path<OutgoingEvent> = (batch, settle) => void this.#held.push(() => DONE(batch, settle));

  release(): void {
    this.#held.shift()?.();
  }

  get bodies(): unknown[][] {
    return this.batches.map((batch) => batch.map(({ body }) => body));
  }
}

export const begin = async (options: BatchingOptions, end = new End(), ...use: Middleware[]) => {
  const transport = (name: string): Transport<object> => ({
    kind: 'transport',
    name,
    capabilities: {},
    open: async () => {},
    publish: (batch, settle) => {
      end.batches.push(batch);
      end.path(batch, settle);
    },
    close: async () => end.onClose(),
  });
  const kernel = createKernel({ service: 'shop', logger: quiet })
    .use(transport('one'))
    .use(transport('two'))
    .use(batching(options));
  for (const middleware of use) kernel.use(middleware);
  await kernel.start();
  onTestFinished(async () => {
    await kernel.stop(50);
  });
  const publish = (body: unknown, event: Partial<BatchEvent> = {}) => {
    const { type = 'user.created', ...rest } = event;
    const published = kernel.publish(type, body, rest);
    published.catch(() => {});
    return published;
  };
  return { kernel, end, publish };
};

export const deferred = () => {
  let reject: (reason: unknown) => void = () => {};
  const promise = new Promise<void>((_, onReject) => {
    reject = onReject;
  });
  return { promise, reject };
};

export const codeOf = (published: Promise<unknown>): Promise<unknown> =>
  published.then(
    () => 'done',
    (reason) => (reason as { code?: string }).code ?? reason,
  );

/** A layer that sends once more what failed. */
export const again: Middleware = {
  kind: 'middleware',
  name: 'again',
  publish: {
    stage: 'retry',
    layer: (next) => (batch, settle) =>
      next(batch, (event, reason) => (reason === undefined ? settle(event) : next([event], settle))),
  },
};
