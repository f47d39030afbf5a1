import type { Facts } from './facts.ts';
import type { Finding } from './finding.ts';
import { clusterFindings } from './findings/cluster.ts';
import { connectionFindings } from './findings/connections.ts';
import { memoryFindings } from './findings/memory.ts';
import { persistenceFindings } from './findings/persistence.ts';
import { promotionFindings } from './findings/promotion.ts';
import { replicationFindings } from './findings/replication.ts';
import { securityFindings } from './findings/security.ts';
import { sentinelFindings } from './findings/sentinel.ts';
import { skewFindings } from './findings/skew.ts';
import { versionFindings } from './findings/version.ts';
import { workloadFindings } from './findings/workload.ts';

const CONCERNS = [
  ...[versionFindings, sentinelFindings, clusterFindings, replicationFindings, promotionFindings],
  ...[persistenceFindings, memoryFindings, connectionFindings, securityFindings, workloadFindings, skewFindings],
];
const ORDER = { error: 0, warning: 1, info: 2 } as const;

/** What the facts mean, the worst first. */
export const diagnose = (facts: Facts): readonly Finding[] =>
  CONCERNS.flatMap((concern) => concern(facts)).toSorted((one, other) => ORDER[one.level] - ORDER[other.level]);
