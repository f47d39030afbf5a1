import { describe, expect, test } from 'vitest';
import { badge, runSuite, table } from '../src/index.ts';
import { poor } from './transports/poor.ts';

const broken = () => {
  const transport = poor();
  const publish: typeof transport.publish = (batch, settle) => transport.publish(batch, (event) => settle(event));
  return { ...transport, publish, versions: async () => ({ broker: '1.2.3' }) };
};

describe('a report', () => {
  test('of a certified transport tells what is passed and what is not claimed', async () => {
    const report = await runSuite(poor, { concurrency: 10 });
    expect(report).toMatchObject({
      transport: 'poor',
      certified: true,
      complete: true,
      counts: { failed: 0, waived: 0 },
    });
    expect(report.capabilities.log).toMatchObject({ status: 'not claimed', failed: 0 });
    expect(report.versions).toEqual({ node: process.versions.node });
    expect(JSON.parse(JSON.stringify(report))).toEqual(report);
    expect(badge(report)).toContain(`${report.counts.passed} passed`);
    expect(table(report)).toContain('poor is certified');
  });

  test('of a transport that is not certified says which case failed, and why', async () => {
    const only = ({ id }: { id: string }): boolean => id.startsWith('publish/');
    const report = await runSuite(broken, {
      only,
      waive: { 'publish/fails-by-itself': 'a joke' },
      versions: { client: '4' },
    });
    expect(report).toMatchObject({ certified: false, complete: false, counts: { waived: 1 } });
    expect(report.versions).toMatchObject({ broker: '1.2.3', client: '4' });
    const failed = report.cases.filter(({ status }) => status === 'failed').map(({ id }) => id);
    expect(failed).toEqual(['publish/settles-once', 'publish/partition-out-of-range']);
    expect(badge(report)).toContain('2 failed');
    expect(table(report)).toMatch(
      /failed {2}publish\/settles-once \(contract\)[\s\S]*waived {2}publish\/fails-by-itself[\s\S]*a joke/,
    );
  });
});
