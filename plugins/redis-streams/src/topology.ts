import type { Commands } from './commands.ts';
import type { Connection } from './connection.ts';

/** What somebody hears who uses a connection. */
export interface ConnectionListener {
  readonly onUp: () => void;
  readonly onDown: (reason: unknown) => void;
}

/** What the transport hears of its servers. */
export interface TopologyListener extends ConnectionListener {
  /** A way has opened, or leads elsewhere: what waits can be sent. */
  readonly onWay: () => void;
}

/** The servers that keep the keys, and the ways to them. */
export interface Topology {
  /** Connects, and checks that the servers are what they must be. Rejects when that is not done by the deadline (ms since the epoch). */
  readonly open: (deadline: number) => Promise<void>;
  /** Keys of one place are always on one server: they can be read together. */
  readonly placeOf: (key: string) => string;
  /** The way to a key. */
  readonly at: (key: string) => Commands;
  /** The way for what is published to a key. Where confirmations wait for replicas, nothing else has to wait behind them. */
  readonly publisher: (key: string) => Commands;
  /** A new connection for blocking reads of the keys of a place. It follows them to whatever server has them. */
  readonly reader: (place: string, listener: ConnectionListener) => Connection;
  /** Names the server that has a key. */
  readonly nodeOf?: (key: string) => string | undefined;
  /** What is wrong with the servers or the ways to them, in words. */
  readonly problems: () => Promise<readonly string[]>;
  /** Of the servers. */
  readonly versions: () => Promise<Readonly<Record<string, string>>>;
  readonly close: () => void;
}

/** Makes the topology of a transport when it opens. */
export type MakeTopology = (listener: TopologyListener) => Topology;
