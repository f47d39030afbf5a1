import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['{kernel,conformance,plugins/*,adapters/*,examples/*}/test/**/*.test.ts'],
    pool: 'forks',
    // They wait for servers most of the time: a core need not be left free.
    maxWorkers: availableParallelism(),
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
});
