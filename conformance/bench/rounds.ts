import type { BenchServer } from './bench-server.ts';
import { type BenchCase, variantsOf } from './case.ts';
import { addTurns, Session, type Turn } from './session.ts';

export interface RoundsOptions {
  readonly rounds: number;
  /** Events that each variant handles in a round. */
  readonly events: number;
  readonly server: BenchServer | undefined;
  readonly onRound: (round: number) => void;
}

/** Who begins changes from round to round, so that what comes first or last is nobody's advantage. */
const rotated = (count: number, by: number): number[] =>
  Array.from({ length: count }, (_, index) => (index + by) % count);

const oneAfterTheOther = async (session: Session, order: readonly number[], events: number): Promise<Turn[]> => {
  const results: Turn[] = [];
  for (const variant of order) {
    const round = await session.open(variant, events);
    results[variant] = await round.turn(events);
    await round.end();
    await session.clear();
  }
  return results;
};

const takingTurns = async (session: Session, order: readonly number[], events: number, turns: number) => {
  const open = new Map<number, Awaited<ReturnType<Session['open']>>>();
  const done = new Map<number, Turn[]>(order.map((variant) => [variant, []]));
  for (const variant of order) open.set(variant, await session.open(variant, events));
  for (let turn = 0; turn < turns; turn++)
    for (const index of rotated(order.length, turn)) {
      const variant = order[index] as number;
      const result = await open.get(variant)?.turn(events / turns);
      if (result) done.get(variant)?.push(result);
    }
  for (const round of open.values()) await round.end();
  await session.clear();
  return [...done].sort(([a], [b]) => a - b).map(([, results]) => addTurns(results));
};

/** Runs a case: a first round that does not count, then the others. Resolves with the turns by round and variant. */
export const runRounds = async (
  benchCase: BenchCase,
  { rounds, events, server, onRound }: RoundsOptions,
): Promise<readonly (readonly Turn[])[]> => {
  await using session = new Session(benchCase, server);
  const count = variantsOf(benchCase).length;
  const results: (readonly Turn[])[] = [];
  for (let round = 0; round <= rounds; round++) {
    onRound(round);
    const order = rotated(count, round);
    results.push(
      benchCase.turns
        ? await takingTurns(session, order, events, benchCase.turns)
        : await oneAfterTheOther(session, order, events),
    );
  }
  return results.slice(1);
};
