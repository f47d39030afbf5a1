import { diagnose } from '../src/doctor/diagnosis.ts';
import { type ExaminationOptions, examine } from '../src/doctor/examination.ts';
import type { Facts } from '../src/doctor/facts.ts';
import type { Finding } from '../src/doctor/finding.ts';
import { targetOf } from '../src/doctor/target.ts';

export interface Look {
  readonly facts: Facts;
  readonly findings: readonly Finding[];
  /** Level and code of each. */
  readonly told: readonly string[];
}

/** What the doctor says of a set-up. */
export const look = async (url: string, options: Partial<ExaminationOptions> = {}): Promise<Look> => {
  const facts = await examine(targetOf(url), {
    ...{ prefix: 'events', partitions: 2, idleMs: 60_000, timeoutMs: 5000 },
    ...options,
  });
  const findings = diagnose(facts);
  return { facts, findings, told: findings.map(({ level, code }) => `${level} ${code}`) };
};
