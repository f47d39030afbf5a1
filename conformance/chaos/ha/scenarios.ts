import {
  cutAndKillMaster,
  freezeMaster,
  killMaster,
  killReplica,
  loseMajority,
  loseSentinel,
  loseSentinelQuorum,
  rollingRestart,
} from './faults.ts';
import { type Ground, openClusterGround, openSentinelGround } from './ground.ts';
import { migrateSlots } from './migration.ts';
import type { Scenario } from './scenario.ts';

/** Servers, and what is done to them: started once for all that is. */
export interface SetUp {
  readonly what: string;
  readonly open: () => Promise<Ground>;
  readonly scenarios: readonly Scenario[];
}

/** Both services are told to take a server for down after 1000 ms without an answer. */
const DOWN_AFTER_MS = 1000;
const GAP_MS = DOWN_AFTER_MS + 2500;
const UNAFFECTED_MS = 1000;
const RESUME_MS = 1000;

const FAILOVER = { gapMs: GAP_MS, resumeMs: RESUME_MS, lost: 'reported' } as const;
const HARMLESS = { gapMs: GAP_MS, lost: 'none' } as const;
const DURABILITY = { replicas: 1, timeoutMs: 1000 };

export const SET_UPS: readonly SetUp[] = [
  {
    what: 'one master, two replicas, three sentinels',
    open: () => openSentinelGround(),
    scenarios: [
      { name: 'sentinel/kill-master', what: 'kill -9 of the master', promises: FAILOVER, fault: killMaster },
      { name: 'sentinel/freeze-master', what: 'SIGSTOP of the master', promises: FAILOVER, fault: freezeMaster },
      { name: 'sentinel/kill-replica', what: 'kill -9 of a replica', promises: HARMLESS, fault: killReplica },
      { name: 'sentinel/lose-sentinel', what: 'kill -9 of a sentinel', promises: HARMLESS, fault: loseSentinel },
      {
        name: 'sentinel/lose-quorum',
        what: 'kill -9 of two sentinels and the master, return of the sentinels',
        promises: FAILOVER,
        fault: loseSentinelQuorum,
      },
      {
        name: 'sentinel/rolling-restart',
        what: 'restart of every server and sentinel',
        promises: HARMLESS,
        fault: rollingRestart,
      },
    ],
  },
  {
    what: 'one master, two replicas, three sentinels, with a network between that can be cut',
    open: () => openSentinelGround({ proxied: true }),
    scenarios: [
      {
        name: 'sentinel/cut-durable',
        what: 'master cut off from its replicas, then killed; `durability: { replicas: 1 }`',
        durability: DURABILITY,
        // Nothing can be confirmed, and little be published, before Sentinel has told the other replica whom to follow now.
        promises: { gapMs: GAP_MS, lost: 'none' },
        fault: cutAndKillMaster,
      },
      {
        name: 'sentinel/cut-async',
        what: 'the same without, which shows that a loss is seen',
        promises: { gapMs: GAP_MS, resumeMs: RESUME_MS, lost: 'some' },
        fault: cutAndKillMaster,
      },
    ],
  },
  {
    what: 'three masters with a replica each',
    open: () => openClusterGround(),
    scenarios: [
      {
        name: 'cluster/kill-master',
        what: 'kill -9 of a master',
        promises: { ...FAILOVER, unaffectedGapMs: UNAFFECTED_MS },
        fault: killMaster,
      },
      {
        name: 'cluster/freeze-master',
        what: 'SIGSTOP of a master',
        promises: { ...FAILOVER, unaffectedGapMs: UNAFFECTED_MS },
        fault: freezeMaster,
      },
      {
        name: 'cluster/kill-replica',
        what: 'kill -9 of a replica',
        promises: { ...HARMLESS, unaffectedGapMs: UNAFFECTED_MS },
        fault: killReplica,
      },
      {
        name: 'cluster/migrate-slots',
        what: 'slots in use go around all masters, others are moved in bulk',
        promises: { ...HARMLESS, unaffectedGapMs: UNAFFECTED_MS },
        fault: migrateSlots,
      },
      {
        name: 'cluster/lose-majority',
        what: 'kill -9 of two masters, and their return',
        promises: FAILOVER,
        fault: loseMajority,
      },
      { name: 'cluster/rolling-restart', what: 'restart of every node', promises: HARMLESS, fault: rollingRestart },
    ],
  },
  {
    what: 'three masters with two replicas each',
    open: () => openClusterGround({ replicasPerMaster: 2 }),
    scenarios: [
      {
        name: 'cluster/kill-master-durable',
        what: 'kill -9 of a master; `durability: { replicas: 1 }`',
        durability: DURABILITY,
        promises: { ...FAILOVER, lost: 'none', unaffectedGapMs: UNAFFECTED_MS },
        fault: killMaster,
      },
    ],
  },
];
