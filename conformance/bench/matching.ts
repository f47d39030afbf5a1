import { Patterns } from '@logistically/events-kernel';
import { now } from './clock.ts';
import type { OpenPart } from './part.ts';
import { quantile } from './statistics.ts';
import { expectCount } from './tally.ts';

const COUNT = 10_000;
const MOST_SEGMENTS = 8;
/** Each type is matched so often and its fastest match counts: a pause of the process is no slow match. */
const PASSES = 5;

/** As many patterns as types: ten thousand. */
export interface MatchSet {
  readonly patterns: readonly string[];
  readonly types: readonly string[];
}

const wordsOf = (letters: readonly string[], length: number): readonly string[] =>
  length === 1 ? letters : wordsOf(letters, length - 1).flatMap((word) => letters.map((letter) => `${word}.${letter}`));

/** All words of these letters, and enough others. */
const all = (letters: readonly string[], other: (n: number) => string): readonly string[] => {
  const words = Array.from({ length: MOST_SEGMENTS }, (_, n) => wordsOf(letters, MOST_SEGMENTS - n)).flat();
  return [...words, ...Array.from({ length: COUNT - words.length }, (_, n) => other(n))];
};

/** Few segments in every arrangement: each type can be taken in more ways, and by more patterns, than any that people write. */
export const hostile: MatchSet = {
  patterns: all(['a', 'b', '*'], (n) => `a.*.x${n}.*.*.b`),
  types: all(['a', 'b', 'c'], (n) => `a.a.x${n}.a.b.a.a.b`),
};

/** Each type is taken by one pattern. */
export const harmless: MatchSet = {
  patterns: Array.from({ length: COUNT }, (_, n) => `user.*.thing${n}`),
  types: Array.from({ length: COUNT }, (_, n) => `user.a.thing${n}`),
};

/** The slow way, for one type. */
const countOf = (type: string, patterns: readonly string[]): number =>
  patterns.filter((pattern) => {
    const segments = pattern.split('.').map((segment) => (segment === '*' ? '[^.]+(?:\\.[^.]+)*' : segment));
    return new RegExp(`^${segments.join('\\.')}$`).test(type);
  }).length;

/** Matches types against all patterns at once, as publishing an event of a type that was not seen before does. */
export const matchAll =
  ({ patterns, types }: MatchSet): OpenPart =>
  async () => {
    const matcher = new Patterns<string>();
    for (const pattern of patterns) matcher.add(pattern, pattern);
    // What it remembers of a type is not what is measured.
    const forget = (): void => matcher.add('*', '*')();
    const match = (sample: readonly string[]): Float64Array => {
      const fastest = new Float64Array(sample.length).fill(Number.POSITIVE_INFINITY);
      for (let pass = 0; pass < PASSES; pass++) {
        forget();
        for (const [index, type] of sample.entries()) {
          const start = now();
          matcher.match(type);
          fastest[index] = Math.min(fastest[index] as number, now() - start);
        }
      }
      return fastest;
    };
    match(types);
    return {
      async run(count) {
        const fastest = match(types.filter((_, index) => index % (COUNT / count) === 0));
        return { p50: quantile(fastest, 0.5), worst: Math.max(...fastest) };
      },
      async verify() {
        for (const type of [types[0], types[1234]] as string[])
          expectCount(`Patterns that take ${type}`, matcher.match(type).length, countOf(type, patterns));
      },
      async close() {},
    };
  };
