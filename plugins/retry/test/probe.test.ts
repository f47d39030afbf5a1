import { type Delivery, EventsError } from '@logistically/events-kernel';
import { expect, onTestFinished, test, vi } from 'vitest';
import { checkCircuit, createCircuit, type Evidence } from '../src/circuit.ts';

const NOTHING = new EventsError('EVENTS_TEST_NOTHING', 'Nothing was tried.', { uncounted: true });
const weigh = (_: Delivery, reason: unknown): Evidence => (reason === NOTHING ? undefined : 'fails');

/** A circuit that one failure opens, and calls through it. */
const scene = (halfOpenAfterMs = 20) => {
  const told: string[] = [];
  const circuit = createCircuit(checkCircuit({ minimumCalls: 1, halfOpenAfterMs }), weigh, (state) => told.push(state));
  onTestFinished(() => circuit.stop());
  const controllers: AbortController[] = [];
  const call = (handler: () => unknown): Promise<unknown> => {
    const controller = new AbortController();
    controllers.push(controller);
    const delivery = { signal: controller.signal } as Delivery;
    return (async () => circuit.wrap(handler)({} as never, delivery))();
  };
  const fails = (): never => {
    throw new Error('down');
  };
  return { circuit, told, call, fails, controllers };
};
const outcomeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'done',
    (thrown) => String(thrown),
  );

test('a probe that gives no answer makes room for another one', async () => {
  const { told, call, fails } = scene();
  await outcomeOf(call(fails));
  const hung = call(() => new Promise(() => {}));
  const next = call(() => 'fine');
  await next;
  expect(told).toEqual(['open', 'half-open', 'closed']);
  void hung;
});

test('what began before the circuit changed says nothing of now', async () => {
  const { told, call, fails } = scene();
  let failLate = (): void => {};
  const late = outcomeOf(
    call(
      () =>
        new Promise((_, reject) => {
          failLate = () => reject(new Error('of long ago'));
        }),
    ),
  );
  await outcomeOf(call(fails));
  await call(() => 'fine');
  expect(told.at(-1)).toBe('closed');
  failLate();
  expect(await late).toContain('of long ago');
  expect(told.at(-1)).toBe('closed');
});

test('a probe that tried nothing says nothing: the next one is the probe', async () => {
  const { told, call, fails } = scene();
  await outcomeOf(call(fails));
  const outcomes = Array.from({ length: 3000 }, () =>
    outcomeOf(
      call(() => {
        throw NOTHING;
      }),
    ),
  );
  const last = call(() => 'fine');
  expect(new Set(await Promise.all(outcomes))).toEqual(new Set([String(NOTHING)]));
  await last;
  expect(told).toEqual(['open', 'half-open', 'closed']);
});

test('a promise of its own kind that calls back twice, or throws, is one answer', async () => {
  const { told, call, fails } = scene();
  await outcomeOf(call(fails));
  const broken = outcomeOf(
    call(() => ({
      // biome-ignore lint/suspicious/noThenProperty: that is what is tested.
      get then(): never {
        throw new Error('no promise');
      },
    })),
  );
  expect(await broken).toContain('no promise');
  expect(told).toEqual(['open', 'half-open', 'open']);
  const twice = call(() => ({
    // biome-ignore lint/suspicious/noThenProperty: that is what is tested.
    then(resolve: (value: unknown) => void, reject: (reason: unknown) => void) {
      resolve('fine');
      resolve('fine again');
      reject(new Error('not at all'));
    },
  }));
  expect(await twice).toBe('fine');
  expect(told.slice(3)).toEqual(['half-open', 'closed']);
});

test('what goes first may open it again: the rest stays where it was', async () => {
  const { told, call, fails } = scene();
  const order: number[] = [];
  await outcomeOf(call(fails));
  const outcomes = [1, 2, 3, 4].map((n) =>
    outcomeOf(
      call(() => {
        order.push(n);
        if (n === 2) throw new Error('down');
      }),
    ),
  );
  expect(await Promise.all(outcomes)).toEqual(['done', 'Error: down', 'done', 'done']);
  expect(order).toEqual([1, 2, 3, 4]);
  expect(told).toEqual(['open', 'half-open', 'closed', 'open', 'half-open', 'closed']);
});

test('what arrives while the held go on stays behind them', async () => {
  const { call, fails } = scene();
  const order: string[] = [];
  await outcomeOf(call(fails));
  let later: Promise<unknown> | undefined;
  const held = [1, 2, 3].map((n) =>
    call(() => {
      order.push(`held ${n}`);
      if (n === 2) later = call(() => order.push('later'));
    }),
  );
  await Promise.all(held);
  await later;
  expect(order).toEqual(['held 1', 'held 2', 'held 3', 'later']);
});

test('one whose signal fires leaves, and nothing listens to a signal any more', async () => {
  const { circuit, call, fails, controllers } = scene(600_000);
  await outcomeOf(call(fails));
  const [left, kept] = [outcomeOf(call(() => {})), outcomeOf(call(() => {}))];
  const removed: string[] = [];
  for (const { signal } of controllers) {
    const { removeEventListener } = signal;
    signal.removeEventListener = (type: string, ...rest: [never]) => {
      removed.push(type);
      removeEventListener.call(signal, type, ...rest);
    };
  }
  controllers[1]?.abort(new Error('the lease is lost'));
  expect(await left).toContain('the lease is lost');
  circuit.stop();
  expect(await kept).toContain('EventsError');
  expect(removed).toEqual(['abort', 'abort']);
});

test('once stopped it has no timer, and opens no more', async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const { circuit, told, call, fails } = scene();
  let failLate = (): void => {};
  const late = outcomeOf(
    call(
      () =>
        new Promise((_, reject) => {
          failLate = () => reject(new Error('late'));
        }),
    ),
  );
  await outcomeOf(call(fails));
  expect(vi.getTimerCount()).toBe(1);
  circuit.stop();
  expect(vi.getTimerCount()).toBe(0);
  failLate();
  expect(await late).toContain('late');
  expect(await outcomeOf(call(fails))).toContain('EventsError');
  expect(told).toEqual(['open']);
  const other = scene();
  other.circuit.stop();
  expect(await outcomeOf(other.call(other.fails))).toContain('down');
  expect(other.told).toEqual([]);
});
