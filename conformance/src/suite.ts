import { EventsError, within } from '@logistically/events-kernel';
import type { Case } from './case.ts';
import { cases } from './cases.ts';
import { Claims } from './claims.ts';
import { CaseContext } from './context.ts';
import type { TransportFactory } from './handle.ts';
import { type CertifyOptions, type Settings, settingsOf } from './options.ts';
import { bounded } from './until.ts';

/**
 * - `waived`: failed, as the waiver says it does
 * - `unclaimed`: needs a capability that the transport does not declare, or proves the absence of one that it does
 * - `untried`: needs a means, such as `restart`, that was not given
 */
export type CaseStatus = 'passed' | 'failed' | 'waived' | 'unclaimed' | 'untried';

export interface CaseResult {
  readonly case: Case;
  readonly status: CaseStatus;
  readonly ms: number;
  /** Why it failed, when it did. */
  readonly error?: Error;
  /** Why it was waived or not run. */
  readonly reason?: string;
}

/** A certification of one transport, case by case. For test runners of every kind; `certify` is the one for vitest. */
export interface Suite {
  readonly settings: Settings;
  /** What the transport claims. Asks the factory once. */
  readonly claims: () => Promise<Claims>;
  /** Runs a case and cleans up after it. Never rejects. */
  readonly run: (each: Case) => Promise<CaseResult>;
  /** The versions of broker and client, as far as the transport and the options tell them. */
  readonly versions: () => Promise<Readonly<Record<string, string>>>;
  /** Bound of a case, in ms. */
  readonly timeoutOf: (each: Case) => number;
}

const asError = (thrown: unknown): Error => (thrown instanceof Error ? thrown : new Error(String(thrown)));

/** Why a case does not apply, in words. */
const notApplicable = (
  each: Case,
  claims: Claims,
  settings: Settings,
): Pick<CaseResult, 'status' | 'reason'> | undefined => {
  const missing = each.needs?.filter((need) => !claims.has(need)) ?? [];
  if (missing.length > 0) return { status: 'unclaimed', reason: `does not claim ${missing.join(', ')}` };
  if (each.absent && claims.has(each.absent)) return { status: 'unclaimed', reason: `claims ${each.absent}` };
  if (each.means && !settings[each.means])
    return { status: 'untried', reason: `the option \`${each.means}\` is not given` };
  return undefined;
};

/** Bound of every wait of a case that is waived, in ms. */
const WAIVED_MS = 5000;

/** Prepares a certification. Throws when a waiver names a case that does not exist. */
export const createSuite = (factory: TransportFactory, options: CertifyOptions = {}): Suite => {
  const settings = settingsOf(options);
  const { timeoutMs, leaseMs, run, waive = {} } = settings;
  const timeoutOf = ({ alone }: Case): number => (timeoutMs * 4 + leaseMs * 12) * (alone ? 4 : 1);
  const known = new Set(cases.map(({ id }) => id));
  const unknown = Object.keys(waive).filter((id) => !known.has(id));
  if (unknown.length > 0)
    throw new EventsError(
      'EVENTS_CONFIG',
      `waive names cases that do not exist: ${unknown.join(', ')}. \`cases\` lists them.`,
    );
  let claims: Promise<Claims> | undefined;
  let count = 0;

  const claimsOf = (): Promise<Claims> =>
    (claims ??= Promise.resolve(factory()).then((transport) => new Claims(transport)));

  /** Of the handle: some know them only when they are connected. */
  const told = async (): Promise<Readonly<Record<string, string>>> => {
    const context = new CaseContext(factory, await claimsOf(), settings, `${run}-versions`);
    try {
      const { handle } = await context.node();
      return (
        (await bounded(handle.versions?.() ?? Promise.resolve({}), timeoutMs, 'the transport tells its versions')) ?? {}
      );
    } catch {
      return {};
    } finally {
      await context.close();
    }
  };

  const prove = async (each: Case, context: CaseContext): Promise<void> => {
    try {
      if (!(await within(each.run(context), Date.now() + timeoutOf(each))))
        throw new Error(`The case did not end within ${timeoutOf(each)} ms: a call of the transport never came back.`);
    } finally {
      await context.close();
    }
  };

  const judge = async (each: Case, applicable: Claims): Promise<Omit<CaseResult, 'case' | 'ms'>> => {
    const waiver = waive[each.id];
    // What is known to fail is not waited for with the patience that a busy machine needs.
    const patience = waiver === undefined ? timeoutMs : Math.min(timeoutMs, WAIVED_MS);
    const context = new CaseContext(factory, applicable, { ...settings, timeoutMs: patience }, `${run}-${++count}`);
    try {
      await prove(each, context);
    } catch (thrown) {
      if (waiver !== undefined) return { status: 'waived', reason: waiver };
      const error = asError(thrown);
      if (context.logged.length > 0) error.message += `\nLogged meanwhile:\n  ${context.logged.join('\n  ')}`;
      return { status: 'failed', error };
    }
    if (waiver === undefined) return { status: 'passed' };
    return { status: 'failed', error: new Error(`Waived (${waiver}), and yet it passes: remove the waiver.`) };
  };

  return {
    settings,
    timeoutOf,
    claims: claimsOf,
    versions: async () => {
      const { versions = {} } = options;
      return { ...(await told()), ...(typeof versions === 'function' ? await versions() : versions) };
    },
    run: async (each) => {
      const start = Date.now();
      const result = async (): Promise<Omit<CaseResult, 'case' | 'ms'>> => {
        const applicable = await claimsOf();
        return notApplicable(each, applicable, settings) ?? (await judge(each, applicable));
      };
      const judged = await result().catch((thrown) => ({ status: 'failed' as const, error: asError(thrown) }));
      return { case: each, ...judged, ms: Date.now() - start };
    },
  };
};
