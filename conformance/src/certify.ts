import type { Case } from './case.ts';
import { cases } from './cases.ts';
import type { TransportFactory } from './handle.ts';
import type { CertifyOptions } from './options.ts';
import { createSuite } from './suite.ts';
import { vitest } from './vitest.ts';

/**
 * Certifies a transport: one vitest test for every case. What the transport does not claim is skipped, with the reason.
 * Throws outside of vitest; other runners take `cases` and `createSuite`.
 */
export const certify = (factory: TransportFactory, options: CertifyOptions = {}): void => {
  const suite = createSuite(factory, options);
  const { describe, test } = vitest('certify', '`cases` with `createSuite`');
  const add = (each: Case): void => {
    test(`${each.id} (${each.clause}): ${each.title}`, { timeout: suite.timeoutOf(each) * 2 }, async (context) => {
      const { status, error, reason } = await suite.run(each);
      if (error) throw error;
      if (status === 'waived') context.skip(`waived: ${reason}`);
      if (status !== 'passed') context.skip(reason);
    });
  };
  describe('conformance', () => {
    describe.concurrent('beside each other', () => {
      for (const each of cases) if (!each.alone) add(each);
    });
    describe.sequential('alone', () => {
      for (const each of cases) if (each.alone) add(each);
    });
  });
};
