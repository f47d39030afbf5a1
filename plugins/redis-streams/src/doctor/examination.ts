import { EventsError, isEventsError } from '@logistically/events-kernel';
import { probeCluster } from './cluster-probe.ts';
import type { ClusterFacts, Facts, NodeFacts, SentinelFacts, SilentNode } from './facts.ts';
import { fieldsOf, pairsOf, probeNode } from './node-probe.ts';
import { addressIn, masterNameOf, othersOf, probeSentinel, replicasOf } from './sentinel-probe.ts';
import { Session, type SessionOptions, type TlsFiles } from './session.ts';
import { type Address, type Credentials, formatAddress, type Target } from './target.ts';
import { probeUser } from './user-probe.ts';
import { probeWorkload } from './workload-probe.ts';

export interface ExaminationOptions {
  /** Of the transport. */
  readonly prefix: string;
  /** How many partitions of each topic are looked at. */
  readonly partitions: number;
  /** From when on something counts as stuck, ms. */
  readonly idleMs: number;
  /** How long a connection, and each command, may take, ms. */
  readonly timeoutMs: number;
  readonly tls?: TlsFiles;
}

/** The most nodes of each kind that are looked at. */
const MAX_NODES = 200;

const uniqueOf = (addresses: readonly Address[]): Address[] => [
  ...new Map(addresses.map((address) => [formatAddress(address), address])).values(),
];

/** Nothing but our own words: a message of somebody else's may show a password. */
const whyOf = (thrown: unknown): string => (isEventsError(thrown) ? thrown.message : 'it cannot be looked at');

/** The same process has often several addresses: the one that somebody gave, the one that others tell. */
const isNew = (runId: string | undefined, known: readonly (string | undefined)[]): boolean =>
  runId === undefined || !known.includes(runId);

/** One look at a set-up: opens connections, collects facts, changes nothing. */
class Examination {
  readonly #target: Target;
  readonly #options: ExaminationOptions;
  readonly #refused = new Set<string>();
  readonly #sentinelRefused = new Set<string>();
  readonly #sessions = new Map<string, Session>();
  readonly #nodes: NodeFacts[] = [];
  readonly #silent: SilentNode[] = [];

  constructor(target: Target, options: ExaminationOptions) {
    this.#target = target;
    this.#options = options;
  }

  async run(): Promise<Facts> {
    const { addresses, master } = this.#target;
    if (master !== undefined) return this.#sentinel(addresses, master);
    const [address] = addresses;
    const first = await this.#open(this.#dataOptions(address));
    const mode = fieldsOf(await first.ask('info', 'server')).redis_mode;
    if (this.#refused.has('info'))
      throw new EventsError(
        'EVENTS_REDIS_STREAMS_CONNECTION',
        `${first.where} cannot be looked at: this user may not use INFO. events-doctor --acl operator prints what it needs.`,
      );
    if (mode === 'sentinel') {
      const name = await masterNameOf(first);
      // It was opened as a server with data is.
      first.close();
      this.#sessions.delete(first.where);
      this.#refused.clear();
      return this.#sentinel([address], name);
    }
    return mode === 'cluster' ? this.#cluster(first) : this.#single(address);
  }

  close(): void {
    for (const session of this.#sessions.values()) session.close();
  }

  #dataOptions(address: Address): SessionOptions {
    const { credentials, database } = this.#target;
    return { ...this.#common(address, credentials, this.#refused), database };
  }

  #common(address: Address, credentials: Credentials, refused: Set<string>): SessionOptions {
    const { timeoutMs, tls: files = {} } = this.#options;
    const tls = this.#target.isTls ? files : undefined;
    return { address, credentials, tls, timeoutMs, refused };
  }

  async #open(options: SessionOptions): Promise<Session> {
    const where = formatAddress(options.address);
    const known = this.#sessions.get(where);
    if (known) return known;
    const session = new Session(options);
    this.#sessions.set(where, session);
    try {
      await session.open();
    } catch (thrown) {
      this.#sessions.delete(where);
      throw thrown;
    }
    return session;
  }

  /** Looks at a server; notes it where it does not answer. */
  async #look(address: Address, kind: NodeFacts['role']): Promise<NodeFacts | undefined> {
    try {
      const options = this.#dataOptions(address);
      const facts = await probeNode(await this.#open(options), options, kind);
      const known = this.#nodes.map(({ info }) => info.run_id);
      if (isNew(facts.info.run_id, known)) this.#nodes.push(facts);
      return facts;
    } catch (thrown) {
      this.#silent.push({ where: formatAddress(address), kind, why: whyOf(thrown) });
      return undefined;
    }
  }

  /** A master and its replicas, from any of them; resolves with where the master is, or one that answered in its place. */
  async #replicated(address: Address, more: readonly Address[] = []): Promise<string | undefined> {
    const first = await this.#look(address, 'master');
    const { master_host: host, master_port: port } = first?.info ?? {};
    const isReplica = first?.role === 'replica' && host !== undefined;
    const above = isReplica ? await this.#look({ host, port: Number(port) }, 'master') : first;
    const master = above ?? first;
    const listed = Object.entries(master?.info ?? {})
      .filter(([name]) => /^slave\d+$/.test(name))
      .map(([, text]) => addressIn(pairsOf(text.split(',').flatMap((part) => part.split('=')))));
    const others = uniqueOf([...listed, ...more])
      .filter((each) => !this.#nodes.some(({ where }) => where === formatAddress(each)))
      .slice(0, MAX_NODES);
    await Promise.all(others.map((each) => this.#look(each, 'replica')));
    return (master ?? this.#nodes[0])?.where;
  }

  async #single(address: Address): Promise<Facts> {
    return this.#facts('single', await this.#replicated(address), {});
  }

  async #sentinel(addresses: readonly Address[], name: string): Promise<Facts> {
    const sentinels: SentinelFacts[] = [];
    const looked = new Set<string>();
    const replicas: Address[] = [];
    const look = async (address: Address): Promise<readonly Address[]> => {
      looked.add(formatAddress(address));
      try {
        const [session, options] = await this.#openSentinel(address);
        const facts = await probeSentinel(session, name, options);
        const known = sentinels.map(({ runId }) => runId);
        if (isNew(facts.runId, known)) sentinels.push(facts);
        replicas.push(...(await replicasOf(session, name)));
        return await othersOf(session, name);
      } catch (thrown) {
        this.#silent.push({ where: formatAddress(address), kind: 'sentinel', why: whyOf(thrown) });
        return [];
      }
    };
    const found = (await Promise.all(addresses.map(look))).flat();
    const others = uniqueOf(found).filter((address) => !looked.has(formatAddress(address)));
    await Promise.all(others.slice(0, MAX_NODES).map(look));
    const told = sentinels.filter(({ master }) => master !== '');
    if (told.length === 0)
      throw new EventsError(
        'EVENTS_REDIS_STREAMS_CONNECTION',
        this.#silent[0]?.why ??
          'No sentinel tells this user of the master: events-doctor --acl sentinel prints what it needs.',
      );
    const votes = (where: string): number => told.filter(({ master }) => master === where).length;
    const [elected] = told.toSorted((one, other) => votes(other.master) - votes(one.master)) as [SentinelFacts];
    const master = await this.#replicated(addressIn(elected.fields), replicas);
    return this.#facts('sentinel', master, { sentinels });
  }

  /** With the credentials that are given for sentinels; else without any, and with those of the servers only where that is refused. */
  async #openSentinel(address: Address): Promise<readonly [Session, SessionOptions]> {
    const { sentinelCredentials, credentials } = this.#target;
    const attempt = async (given: Credentials): Promise<readonly [Session, SessionOptions]> => {
      const options = this.#common(address, given, this.#sentinelRefused);
      return [await this.#open(options), options];
    };
    try {
      return await attempt(sentinelCredentials ?? {});
    } catch (thrown) {
      if (sentinelCredentials || credentials.password === undefined || !whyOf(thrown).includes('NOAUTH')) throw thrown;
      return attempt(credentials);
    }
  }

  async #cluster(seed: Session): Promise<Facts> {
    const view = await probeCluster(seed);
    const known = view.nodes.filter(({ flags }) => !flags.includes('noaddr') && !flags.includes('handshake'));
    if (known.length === 0) await this.#look(seed.address, 'master');
    await Promise.all(
      known.slice(0, MAX_NODES).map(({ where, flags }) => {
        const colon = where.lastIndexOf(':');
        const address = { host: where.slice(0, colon), port: Number(where.slice(colon + 1)) };
        return this.#look(address, flags.includes('master') ? 'master' : 'replica');
      }),
    );
    const views: ClusterFacts[] = [view];
    for (const { where, role } of this.#nodes) {
      const session = this.#sessions.get(where);
      if (role === 'master' && session && session !== seed) views.push(await probeCluster(session));
    }
    return this.#facts('cluster', seed.where, { cluster: views });
  }

  async #facts(
    topology: Facts['topology'],
    master: string | undefined,
    { sentinels = [], cluster = [] }: Partial<Pick<Facts, 'sentinels' | 'cluster'>>,
  ): Promise<Facts> {
    const { prefix, partitions, idleMs } = this.#options;
    const owners = cluster[0]?.nodes ?? [];
    const sessionOf = (slot: number): Session | undefined => {
      const owner = owners.find(({ slots }) => slots.some(([first, last]) => first <= slot && slot <= last));
      return this.#sessions.get((topology === 'cluster' ? owner?.where : master) ?? '');
    };
    const session = this.#sessions.get(master ?? '');
    const { database } = this.#target;
    const user = session
      ? await probeUser(session, { prefix, topology, database })
      : { name: undefined, mayDoAll: undefined, lacks: undefined };
    const workload = await probeWorkload({ prefix, partitions, idleMs, sessionOf });
    const nodes = this.#nodes.toSorted((one, other) => one.where.localeCompare(other.where));
    const refused = [...this.#refused].sort();
    return {
      ...{ topology, prefix, database, idleMs, nodes, sentinels, cluster, workload },
      silent: this.#silent,
      user: { ...user, refused },
      sentinelRefused: [...this.#sentinelRefused].sort(),
    };
  }
}

/** Looks at a set-up, from any of its nodes. Rejects where there is nothing that answers. */
export const examine = async (target: Target, options: ExaminationOptions): Promise<Facts> => {
  const examination = new Examination(target, options);
  try {
    return await examination.run();
  } finally {
    examination.close();
  }
};
