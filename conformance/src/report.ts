import type { Capabilities } from '@logistically/events-kernel';
import type { Case } from './case.ts';
import { cases } from './cases.ts';
import { type Clause, clauses } from './clause.ts';
import type { TransportFactory } from './handle.ts';
import type { CertifyOptions } from './options.ts';
import { type CaseResult, type CaseStatus, createSuite } from './suite.ts';
import { kitVersion } from './version.ts';

export type Counts = Readonly<Record<CaseStatus, number>>;

/** What a certification found about one capability: about the cases that need it, or prove its absence. */
export interface CapabilityReport extends Counts {
  readonly status: 'passed' | 'failed' | 'waived' | 'not claimed';
}

/** A certification as JSON. */
export interface Report {
  readonly kit: string;
  readonly transport: string;
  /** Versions of Node, broker and client. */
  readonly versions: Readonly<Record<string, string>>;
  /** Replays the random cases. */
  readonly seed: number;
  /** ISO 8601. */
  readonly startedAt: string;
  readonly ms: number;
  /** Every case was looked at, and none has failed. */
  readonly certified: boolean;
  /** False when only some cases were chosen. */
  readonly complete: boolean;
  readonly counts: Counts;
  readonly capabilities: Readonly<Record<keyof Capabilities, CapabilityReport>>;
  readonly clauses: Readonly<Record<Clause, Counts>>;
  readonly cases: readonly {
    readonly id: string;
    readonly clause: Clause;
    readonly title: string;
    readonly status: CaseStatus;
    readonly ms: number;
    readonly reason?: string;
    readonly error?: string;
  }[];
}

export interface RunOptions extends CertifyOptions {
  /** Only the cases that this accepts. */
  readonly only?: (each: Case) => boolean;
  /** Cases that run beside each other. Default 5. */
  readonly concurrency?: number;
  /** Told of each case when it has ended. */
  readonly onResult?: (result: CaseResult) => void;
}

const CAPABILITIES = ['durable', 'groups', 'order', 'log', 'store', 'delay', 'handoff', 'inspect'] as const;

const count = (results: readonly CaseResult[]): Counts => {
  const counts = { passed: 0, failed: 0, waived: 0, unclaimed: 0, untried: 0 };
  for (const { status } of results) counts[status]++;
  return counts;
};

const concerns = ({ clause, needs = [], absent }: Case, capability: keyof Capabilities): boolean =>
  clause === capability || [...needs, absent].some((need) => need?.split('/')[0] === capability);

const capabilityReport = (
  results: readonly CaseResult[],
  name: keyof Capabilities,
  claimed: boolean,
): CapabilityReport => {
  const counts = count(results.filter((result) => concerns(result.case, name)));
  const status = counts.failed > 0 ? 'failed' : !claimed ? 'not claimed' : counts.waived > 0 ? 'waived' : 'passed';
  return { status, ...counts };
};

/** Runs the suite without a test runner and reports. Rejects when the factory gives no transport. */
export const runSuite = async (factory: TransportFactory, options: RunOptions = {}): Promise<Report> => {
  const { only = () => true, concurrency = 5, onResult = () => {} } = options;
  const suite = createSuite(factory, options);
  const start = Date.now();
  const { transport, capabilities } = await suite.claims();
  const chosen = cases.filter(only);
  const results = new Map<Case, CaseResult>();
  const runAll = async (queue: Case[], width: number): Promise<void> => {
    const worker = async (): Promise<void> => {
      for (let each = queue.shift(); each; each = queue.shift()) {
        const result = await suite.run(each);
        results.set(each, result);
        onResult(result);
      }
    };
    await Promise.all(Array.from({ length: width }, worker));
  };
  await runAll(
    chosen.filter(({ alone }) => !alone),
    concurrency,
  );
  await runAll(
    chosen.filter(({ alone }) => alone === true),
    1,
  );
  const all = chosen.flatMap((each) => results.get(each) ?? []);
  const counts = count(all);
  const byCapability = CAPABILITIES.map((name) => [
    name,
    capabilityReport(all, name, capabilities[name] !== undefined),
  ]);
  const byClause = Object.keys(clauses).map((clause) => [
    clause,
    count(all.filter((each) => each.case.clause === clause)),
  ]);
  return {
    kit: kitVersion(),
    transport,
    versions: { node: process.versions.node, ...(await suite.versions()) },
    seed: suite.settings.seed,
    startedAt: new Date(start).toISOString(),
    ms: Date.now() - start,
    certified: counts.failed === 0 && chosen.length === cases.length,
    complete: chosen.length === cases.length,
    counts,
    capabilities: Object.fromEntries(byCapability),
    clauses: Object.fromEntries(byClause),
    cases: all.map(({ case: { id, clause, title }, status, ms, reason, error }) => ({
      id,
      clause,
      title,
      status,
      ms,
      ...(reason !== undefined && { reason }),
      ...(error && { error: error.message }),
    })),
  };
};
