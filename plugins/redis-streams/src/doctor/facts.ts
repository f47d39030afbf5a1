/** Fields of INFO or parameters of CONFIG, by name. What the server does not tell is missing. */
export type Fields = Readonly<Record<string, string>>;

/** What one server with data tells of itself. */
export interface NodeFacts {
  /** `host:port`. */
  readonly where: string;
  readonly role: 'master' | 'replica';
  readonly info: Fields;
  readonly config: Fields;
  readonly isLoopback: boolean;
  readonly isTls: boolean;
  /** It takes commands from somebody who gives no password. */
  readonly isOpen: boolean;
}

/** What one sentinel tells of the master. */
export interface SentinelFacts {
  readonly where: string;
  /** Of its process; undefined where it does not tell. */
  readonly runId: string | undefined;
  /** `host:port` of the master, as it sees it. */
  readonly master: string;
  /** Fields of SENTINEL MASTER. */
  readonly fields: Fields;
  /** Why SENTINEL CKQUORUM fails; undefined when it does not. */
  readonly noQuorum: string | undefined;
  readonly isLoopback: boolean;
  readonly isOpen: boolean;
}

/** A line of CLUSTER NODES. */
export interface ClusterNode {
  readonly id: string;
  readonly where: string;
  readonly flags: readonly string[];
  /** Id of its master, of a replica. */
  readonly master: string | undefined;
  /** First and last slot of each range. */
  readonly slots: readonly (readonly [first: number, last: number])[];
  /** Slots that were left while they were migrated or imported. */
  readonly open: readonly string[];
}

export interface ClusterFacts {
  readonly where: string;
  /** Fields of CLUSTER INFO. */
  readonly info: Fields;
  readonly nodes: readonly ClusterNode[];
}

/** A node that is known and does not answer. */
export interface SilentNode {
  readonly where: string;
  readonly kind: 'replica' | 'master' | 'sentinel';
  readonly why: string;
}

/** Commands that a user may not use. */
export interface Lack {
  /** On the keys of topics, or without a key. */
  readonly streams: readonly string[];
  /** On those of the store. */
  readonly store: readonly string[];
}

/** What the user that connects may do. */
export interface UserFacts {
  /** Undefined where the server does not tell. */
  readonly name: string | undefined;
  /** Undefined where the server does not tell. */
  readonly mayDoAll: boolean | undefined;
  /** By role, what it lacks; undefined where the server does not tell. */
  readonly lacks: Readonly<Record<'publisher' | 'consumer' | 'operator', Lack>> | undefined;
  /** What the doctor was refused. */
  readonly refused: readonly string[];
}

export interface ConsumerFacts {
  readonly name: string;
  readonly pending: number;
  /** Since it last showed a sign of life, ms. */
  readonly idleMs: number;
}

export interface GroupFacts {
  readonly name: string;
  readonly pending: number;
  /** Entries that were not delivered yet; undefined where the server cannot tell. */
  readonly lag: number | undefined;
  readonly consumers: readonly ConsumerFacts[];
  /** Pending entries without a sign of life for longer than the threshold, without those that wait for their next attempt. */
  readonly stuck: number;
  /** There may be more of them than were counted. */
  readonly isStuckCut: boolean;
  /** Attempts that are due for longer than the threshold. */
  readonly overdue: number;
}

/** A topic partition. */
export interface StreamFacts {
  readonly topic: string;
  readonly partition: number;
  readonly key: string;
  readonly slot: number;
  /** `host:port` of the node that has it. */
  readonly where: string;
  readonly entries: number;
  readonly bytes: number;
  readonly groups: readonly GroupFacts[];
  /** Events that were published with a delay and are due for longer than the threshold. */
  readonly overdue: number;
}

/** A key of the prefix with a type that is not ours. */
export interface ForeignKey {
  readonly key: string;
  readonly where: string;
  readonly type: string;
  readonly wanted: string;
}

export interface WorkloadFacts {
  readonly topics: number;
  /** There may be more of them than were counted. */
  readonly isCut: boolean;
  /** Topics that were not looked at. */
  readonly unseen: number;
  readonly gone: readonly string[];
  readonly streams: readonly StreamFacts[];
  readonly foreign: readonly ForeignKey[];
}

/** All that was seen of a set-up. */
export interface Facts {
  readonly topology: 'single' | 'sentinel' | 'cluster';
  readonly prefix: string;
  /** The database of the URL. */
  readonly database: number;
  /** From when on something counts as stuck, ms. */
  readonly idleMs: number;
  readonly nodes: readonly NodeFacts[];
  readonly silent: readonly SilentNode[];
  readonly sentinels: readonly SentinelFacts[];
  readonly cluster: readonly ClusterFacts[];
  readonly user: UserFacts;
  /** What the doctor was refused by sentinels, whose users are others. */
  readonly sentinelRefused: readonly string[];
  readonly workload: WorkloadFacts;
}
