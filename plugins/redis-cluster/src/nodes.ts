import {
  type Address,
  Connection,
  type ConnectionListener,
  type ConnectionPurpose,
  clientOptions,
  connectionLost,
  loginOf,
  type RedisReplyError,
  reachable,
} from '@logistically/events-redis-streams/engine';
import { Redis } from 'ioredis';
import type { ClusterSettings, RedisClusterOptions } from './options.ts';

/** What a node replies while the cluster is being changed; nothing was done. */
const PASSING = new Set(['MOVED', 'ASK', 'TRYAGAIN', 'CLUSTERDOWN', 'READONLY', 'LOADING', 'MASTERDOWN', 'NOREPLICAS']);

/** A master of the cluster, and our connections to it. */
export interface Node {
  readonly key: string;
  readonly address: Address;
  readonly commands: Connection;
  /** For publishing; the same where no confirmation waits for replicas. */
  readonly publisher: Connection;
}

interface NodesListener {
  readonly onUp: (purpose: ConnectionPurpose) => void;
  readonly onDown: (purpose: ConnectionPurpose, reason: unknown) => void;
  readonly onRefused: (refusal: RedisReplyError, connection: Connection) => void;
}

type ReaderListener = ConnectionListener & Pick<NodesListener, 'onRefused'>;

const closeNode = ({ commands, publisher }: Node): void => {
  commands.close();
  publisher.close();
};

/** The nodes that we have connections to, by address. */
export class Nodes {
  readonly #options: RedisClusterOptions;
  readonly #settings: ClusterSettings;
  readonly #listener: NodesListener;
  readonly #nodes = new Map<string, Node>();

  constructor(options: RedisClusterOptions, settings: ClusterSettings, listener: NodesListener) {
    this.#options = options;
    this.#settings = settings;
    this.#listener = listener;
  }

  [Symbol.iterator](): Iterator<Node> {
    return this.#nodes.values();
  }

  /** The node at an address; begins to connect to one that is new. */
  at(address: Address): Node {
    const key = `${address.host}:${address.port}`;
    let node = this.#nodes.get(key);
    if (!node) {
      const { onUp, onDown, onRefused } = this.#listener;
      const connect = (purpose: ConnectionPurpose): Connection => {
        const connection = this.connect(purpose, () => address, {
          onUp: () => onUp(purpose),
          onDown: (reason) => onDown(purpose, reason),
          onRefused,
        });
        connection.dial();
        return connection;
      };
      const commands = connect('commands');
      node = { key, address, commands, publisher: this.#settings.engine.durability ? connect('publisher') : commands };
      this.#nodes.set(key, node);
    }
    return node;
  }

  /** A connection to wherever `where` says at the time. */
  connect(purpose: ConnectionPurpose, where: () => Address | undefined, listener: ReaderListener): Connection {
    const { redis, credentials, connect = (_, options) => new Redis(options) } = this.#options;
    const { engine, connectMs } = this.#settings;
    const { durability, timeoutMs } = engine;
    return new Connection({
      client: connect(purpose, { ...redis, ...clientOptions(purpose, connectMs), retryStrategy: null }),
      owned: true,
      timeoutMs,
      dial: async () => {
        const address = where();
        if (!address) throw connectionLost();
        return { ...address, ...(await loginOf('credentials', credentials, Date.now() + connectMs)) };
      },
      passing: PASSING,
      ...listener,
      ...(purpose === 'publisher' && durability && { durability }),
    });
  }

  /** The address under which a node that was told of can be reached from here. */
  reach(address: Address): Address {
    return reachable(this.#options.natMap, address);
  }

  /** Gives up all others: what was sent to them is repeated where the slots are now. */
  keep(kept: ReadonlySet<Node>): void {
    for (const node of this.#nodes.values()) {
      if (kept.has(node)) continue;
      this.#nodes.delete(node.key);
      closeNode(node);
    }
  }
}
