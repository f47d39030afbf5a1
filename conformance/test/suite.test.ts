import { describe, expect, test, vi } from 'vitest';
import type { Case } from '../src/case.ts';
import { cases } from '../src/cases.ts';
import { clauses } from '../src/clause.ts';
import { createSuite } from '../src/suite.ts';
import { Broker } from './transports/broker.ts';
import { BrokerTransport } from './transports/broker-transport.ts';
import { poor } from './transports/poor.ts';

const caseOf = (id: string): Case => cases.find((each) => each.id === id) ?? expect.fail(`there is no case ${id}`);

const failing: Case = { ...caseOf('delivery/once'), run: () => Promise.reject(new Error('As it must.')) };

describe('the cases', () => {
  test('have ids of their own, of the form topic/what', () => {
    expect(new Set(cases.map(({ id }) => id)).size).toBe(cases.length);
    for (const { id } of cases) expect(id).toMatch(/^[a-z-]+\/[a-z-]+$/);
  });

  test('prove every clause, each case one that exists', () => {
    expect(new Set(cases.map(({ clause }) => clause))).toEqual(new Set(Object.keys(clauses)));
  });

  test('that disturb the broker run alone', () => {
    for (const { means, alone, id } of cases)
      if (means !== undefined && means !== 'crash') expect({ id, alone }).toEqual({ id, alone: true });
  });
});

describe('a suite', () => {
  test('does not run what the transport does not claim', async () => {
    expect(await createSuite(poor).run(caseOf('log/pages'))).toMatchObject({
      status: 'unclaimed',
      reason: 'does not claim log',
    });
  });

  test('does not look for the absence of what is claimed', async () => {
    const suite = createSuite(() => new BrokerTransport(new Broker()));
    const result = await suite.run(caseOf('absent/log-no-past'));
    expect(result).toMatchObject({ status: 'unclaimed', reason: 'claims log' });
  });

  test('does not run what it has no means for', async () => {
    const suite = createSuite(() => new BrokerTransport(new Broker()));
    const result = await suite.run(caseOf('redelivery/after-crash'));
    expect(result).toMatchObject({ status: 'untried', reason: 'the option `crash` is not given' });
  });

  test('accepts the failure of a waived case', async () => {
    const suite = createSuite(poor, { waive: { 'delivery/once': 'known' } });
    expect(await suite.run(failing)).toMatchObject({ status: 'waived', reason: 'known' });
  });

  test('does not accept that a waived case passes', async () => {
    const { status, error } = await createSuite(poor, { waive: { 'delivery/once': 'known' } }).run(
      caseOf('delivery/once'),
    );
    expect({ status, message: error?.message }).toEqual({
      status: 'failed',
      message: expect.stringContaining('yet it passes'),
    });
  });

  test('refuses a waiver for a case that does not exist', () => {
    expect(() => createSuite(poor, { waive: { 'delivery/twice': 'why not' } })).toThrow(/delivery\/twice/);
  });

  test('ends a case that hangs', async () => {
    const suite = createSuite(poor, { timeoutMs: 20, leaseMs: 1 });
    const { status, error } = await suite.run({ ...failing, run: () => new Promise(() => {}) });
    expect({ status, message: error?.message }).toEqual({
      status: 'failed',
      message: expect.stringContaining('did not end within'),
    });
  });

  test('reports a factory that throws', async () => {
    const suite = createSuite(() => Promise.reject(new Error('no broker')));
    expect(await suite.run(failing)).toMatchObject({ status: 'failed', error: { message: 'no broker' } });
  });

  test('tells what was logged with a failure', async () => {
    const suite = createSuite(poor);
    const { error } = await suite.run({
      ...failing,
      run: async (context) => {
        const node = await context.node();
        await node.collect(context.type(), { handle: () => Promise.reject(new Error('bad luck')) });
        await node.publish(context.type(), 1);
        await context.until(() => context.logged.length > 0, 'the failure is logged');
        throw new Error('As it must.');
      },
    });
    expect(error?.message).toMatch(/As it must[\s\S]*Logged meanwhile[\s\S]*bad luck/);
  });

  test('closes every handle when a case has failed', async () => {
    let open = 0;
    const suite = createSuite(() => {
      const transport = poor();
      return {
        ...transport,
        open: (host) => transport.open(host).then(() => void open++),
        close: (deadline) => transport.close(deadline).then(() => void open--),
      };
    });
    const run: Case['run'] = async (context) => {
      await context.node();
      await context.node();
      expect(open).toBe(1);
      throw new Error('As it must.');
    };
    expect((await suite.run({ ...failing, run })).error?.message).toBe('As it must.');
    expect(open).toBe(0);
  });

  test('takes the seed of the environment', () => {
    vi.stubEnv('EVENTS_SEED', '4711');
    try {
      expect([createSuite(poor).settings.seed, createSuite(poor, { seed: 1 }).settings.seed]).toEqual([4711, 1]);
    } finally {
      vi.unstubAllEnvs();
    }
  });

  test.each([0, 2])('does not publish on and on for a log that keeps %i entries', async (kept) => {
    let published = 0;
    const suite = createSuite(() => {
      const honest = new BrokerTransport(new Broker());
      const { log } = honest.capabilities;
      const read: typeof log.read = async (...call) => (kept === 0 ? [] : (await log.read(...call)).slice(-kept));
      const publish: typeof honest.publish = (batch, settle) => {
        published += batch.length;
        honest.publish(batch, settle);
      };
      return { ...honest, publish, capabilities: { ...honest.capabilities, log: { ...log, read } } };
    });
    const { error } = await suite.run(caseOf('position/date'));
    expect(error?.message).toContain('the log shows as many entries as were published');
    expect(published).toBe(3);
  });

  test('finds a rare fault in random histories, and the seed finds it again', async () => {
    const losing = () => {
      const honest = new BrokerTransport(new Broker());
      let count = 0;
      const publish: typeof honest.publish = (batch, settle) => {
        if (++count % 4 === 0) for (const event of batch) settle(event);
        else honest.publish(batch, settle);
      };
      return { ...honest, publish };
    };
    const options = { timeoutMs: 200, leaseMs: 250 };
    const first = await createSuite(losing, options).run(caseOf('model/one-consumer'));
    const seed = Number(/EVENTS_SEED=(\d+)/.exec(first.error?.message ?? '')?.[1]);
    const again = await createSuite(losing, { ...options, seed }).run(caseOf('model/one-consumer'));
    expect(again.error?.message).toContain(`EVENTS_SEED=${seed}`);
    expect(again.error?.message).toContain('nothing is lost');
  });
});
