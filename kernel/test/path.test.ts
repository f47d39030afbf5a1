import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  asReason,
  compose,
  each,
  filter,
  type Layer,
  type Path,
  promised,
  type Settle,
  transform,
} from '../src/index.ts';

interface Item {
  readonly id: number;
  /** How a handler treats it. */
  readonly fate: 'return' | 'throw' | 'resolve' | 'reject' | 'thenable';
}

const act = async (fate: Item['fate']): Promise<void> => {
  await null;
  if (fate === 'reject') throw new Error(fate);
};

const treat = ({ fate }: Item): unknown => {
  if (fate === 'throw') throw new Error(fate);
  if (fate === 'return') return undefined;
  // biome-ignore lint/suspicious/noThenProperty: a promise of another library
  if (fate === 'thenable') return { then: (resolve: () => void) => resolve() };
  return act(fate);
};

const isBad = ({ fate }: Item): boolean => fate === 'throw' || fate === 'reject';

const batches = fc
  .array(fc.constantFrom<Item['fate']>('return', 'throw', 'resolve', 'reject', 'thenable'), { maxLength: 20 })
  .map((fates) => fates.map((fate, id): Item => ({ id, fate })));

/** Runs a batch down a path until everything is settled, and returns each event's reason. */
const run = async <E>(path: Path<E>, batch: readonly E[]): Promise<Map<E, unknown>> => {
  const reasons = new Map<E, unknown>();
  await new Promise<void>((resolve, reject) => {
    path(batch, (event, reason) => {
      if (!batch.includes(event)) reject(new Error('settled an event that is not of the batch'));
      if (reasons.has(event)) reject(new Error('settled twice'));
      reasons.set(event, reason);
      if (reasons.size === batch.length) resolve();
    });
    if (batch.length === 0) resolve();
  });
  // What would settle a second time does it by now.
  await new Promise((resolve) => setImmediate(resolve));
  return reasons;
};

const done: Path<Item> = (batch, settle) => {
  for (const event of batch) settle(event);
};

describe('each event is settled exactly once by', () => {
  const paths: Record<string, Path<Item>> = {
    each: each(treat),
    promised: promised(async (batch) => new Map(batch.filter(isBad).map((item) => [item, new Error(item.fate)]))),
    filter: filter<Item>((item) => {
      if (isBad(item)) throw new Error(item.fate);
      return item.id % 2 === 0;
    })(done),
    transform: transform<Item>((item) => {
      const result = treat(item) as undefined | PromiseLike<void>;
      return result ? result.then(() => ({ ...item })) : { ...item };
    })(each((item) => (item.id % 2 ? null : act('resolve')))),
  };
  // A thenable's `then` need not return a promise, and transform promises to take promises.
  const fits = (name: string) => (item: Item) => name !== 'transform' || item.fate !== 'thenable';

  test.each(Object.entries(paths))('%s, and failed with its own reason', async (name, path) => {
    await fc.assert(
      fc.asyncProperty(
        batches.map((batch) => batch.filter(fits(name))),
        async (batch) => {
          const reasons = await run(path, batch);
          for (const item of batch) expect(reasons.get(item)).toEqual(isBad(item) ? new Error(item.fate) : undefined);
        },
      ),
      { numRuns: 50 },
    );
  });
});

test('a handler that throws or rejects with nothing has failed all the same', async () => {
  const nothing = [
    () => Promise.reject(),
    () => Promise.reject(null),
    () => {
      throw undefined;
    },
  ];
  for (const handler of nothing) {
    const [reason] = (await run(each(handler), [1])).values();
    expect(reason).toMatchObject({ code: 'EVENTS_UNSETTLED' });
  }
  expect(asReason(0)).toBe(0);
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  const throwing = {
    get cause() {
      throw new Error('not to be read');
    },
  };
  for (const hostile of [proxy, throwing]) expect(asReason(hostile)).toMatchObject({ code: 'EVENTS_UNSETTLED' });
});

test('compose puts the first layer outermost', () => {
  const trace: string[] = [];
  const layer =
    (name: string): Layer<number> =>
    (next) =>
    (batch, settle) => {
      trace.push(`${name} in`);
      next(batch, (event, reason) => {
        trace.push(`${name} out`);
        settle(event, reason);
      });
    };
  compose(
    [layer('a'), layer('b')],
    each(() => {}),
  )([1], () => {});
  expect(trace).toEqual(['a in', 'b in', 'b out', 'a out']);
});

describe('promised', () => {
  test('a rejection or a throw is the reason of all', async () => {
    for (const work of [
      () => Promise.reject(new Error('all')),
      () => {
        throw new Error('all');
      },
    ])
      expect([...(await run(promised(work), [1, 2])).values()]).toEqual([new Error('all'), new Error('all')]);
  });

  test('a reason that is undefined is a reason', async () => {
    const reasons = await run(
      promised(() => new Map([[1, undefined]])),
      [1, 2],
    );
    expect(reasons.get(1)).toMatchObject({ code: 'EVENTS_UNSETTLED' });
    expect(reasons.get(2)).toBeUndefined();
  });
});

test('filter passes the events on in order, as one batch, and none when none is kept', async () => {
  const batches: number[][] = [];
  const path = filter<number>((event) => event > 1)((batch, settle) => {
    batches.push([...batch]);
    for (const event of batch) settle(event);
  });
  await run(path, [3, 1, 2]);
  await run(path, [0, 1]);
  expect(batches).toEqual([[3, 2]]);
});

describe('transform', () => {
  test('keeps the order of the batch, whichever replacement comes first', async () => {
    let batch: readonly { id: number }[] = [];
    const slow = new Promise((resolve) => setImmediate(resolve));
    const path = transform<{ id: number }>(({ id }) => (id === 0 ? slow.then(() => ({ id })) : { id: id * 10 }))(
      (events, settle) => {
        batch = events;
        for (const event of events) settle(event);
      },
    );
    await run(path, [{ id: 0 }, { id: 1 }, { id: 2 }]);
    expect(batch).toEqual([{ id: 0 }, { id: 10 }, { id: 20 }]);
  });

  test.each(['at once', 'later'])('when the next path throws %s, what it left is settled with that', async (when) => {
    const path = transform<{ id: number }>((event) =>
      when === 'later' ? Promise.resolve({ ...event }) : { ...event },
    )((batch, settle) => {
      settle(batch[0] as { id: number });
      throw new Error('next');
    });
    const events = [{ id: 1 }, { id: 2 }];
    expect([...(await run(path, events)).values()]).toEqual([undefined, new Error('next')]);
  });

  test('a replacement that is settled twice settles its original once', () => {
    const settled: unknown[] = [];
    const twice: Path<object> = (batch, settle) => {
      for (const event of batch) {
        settle(event);
        settle(event, 'late');
      }
    };
    const settle: Settle<object> = (_, reason) => settled.push(reason);
    transform<object>((event) => ({ ...event }))(twice)([{}], settle);
    expect(settled).toEqual([undefined]);
  });
});
