type Vitest = typeof import('vitest');

/**
 * The vitest that runs this file. It is taken from the slot behind `import.meta.vitest`, since an import would need vitest to
 * be installed where nobody certifies with it, and a dynamic one would come after the tests are collected.
 */
export const vitest = (caller: string, otherwise: string): Pick<Vitest, 'describe' | 'test'> => {
  const { __vitest_index__: running } = globalThis as { __vitest_index__?: Vitest };
  if (!running)
    throw new Error(`${caller}() makes vitest tests, and vitest is not running. With another runner use ${otherwise}.`);
  return running;
};
