import { describe, expect, test } from 'vitest';
import { cases } from '../src/cases.ts';
import { createSuite } from '../src/suite.ts';
import { capabilityFaults } from './faults/capabilities.ts';
import { claimingFaults } from './faults/claiming.ts';
import { publishingFaults } from './faults/publishing.ts';
import { settlingFaults } from './faults/settling.ts';
import { subscribingFaults } from './faults/subscribing.ts';

const faults = [...publishingFaults, ...settlingFaults, ...subscribingFaults, ...claimingFaults, ...capabilityFaults];

describe.concurrent('a broken transport that', () => {
  for (const { name, caughtBy, factory, options } of faults) {
    test(`${name} is caught by ${caughtBy}`, async () => {
      const each = cases.find(({ id }) => id === caughtBy);
      const suite = createSuite(factory, { ...options, timeoutMs: 300, quietMs: 60, runs: 3 });
      const { status, error } = await suite.run(each ?? expect.fail(`there is no case ${caughtBy}`));
      expect({ status, error: error?.message }).toEqual({ status: 'failed', error: expect.any(String) });
    });
  }
});

test('there are broken transports for at least thirty different cases', () => {
  expect(new Set(faults.map(({ caughtBy }) => caughtBy)).size).toBeGreaterThanOrEqual(30);
});
