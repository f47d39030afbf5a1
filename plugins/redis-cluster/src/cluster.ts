import { type EventsError, isEventsError, within } from '@logistically/events-kernel';
import {
  type Commands,
  type Connection,
  type ConnectionListener,
  type ConnectionPurpose,
  checkReplicas,
  type RedisReplyError,
  serverProblem,
  slotOf,
  type Topology,
  type TopologyListener,
  versionOf,
} from '@logistically/events-redis-streams/engine';
import { type ClusterState, clusterProblem, clusterStateOf } from './cluster-state.ts';
import { isNoCluster, notACluster, notFormed, unreachable } from './error.ts';
import { type Node, Nodes } from './nodes.ts';
import type { ClusterSettings, RedisClusterOptions } from './options.ts';
import { Route } from './route.ts';
import { type SlotRange, slotRangesOf } from './slot-map.ts';

/** How often the cluster is asked who has which slot: when all is well, and while something is not, in ms. */
const ASK_MS = 1000;
const HURRY_MS = 100;
/** A node that has not answered for so long, in ms, is asked about. */
const SILENT_MS = 300;
/** How long a node may take to tell, in ms, before another one is asked. */
const TELL_MS = 500;

/** A cluster: which master has which slot, the ways to them, and those who have to know when that changes. */
export class ClusterTopology implements Topology {
  readonly #options: RedisClusterOptions;
  readonly #settings: ClusterSettings;
  readonly #listener: TopologyListener;
  readonly #nodes: Nodes;
  readonly #owners: (Node | undefined)[] = [];
  readonly #routes = new Map<number, Route>();
  readonly #publishers = new Map<number, Route>();
  readonly #readers = new Map<Connection, number>();
  readonly #waiting = new Set<() => void>();
  #ranges: readonly SlotRange[] = [];
  #state: ClusterState | undefined;
  #asking: Promise<void> | undefined;
  #askedAt = 0;
  #wanted = false;
  #timer: NodeJS.Timeout | undefined;
  #turn = 0;
  /** Why a node did not tell. */
  #refusal: EventsError | undefined;
  #opened = false;
  #closed = false;

  constructor(options: RedisClusterOptions, settings: ClusterSettings, listener: TopologyListener) {
    this.#options = options;
    this.#settings = settings;
    this.#listener = listener;
    this.#nodes = new Nodes(options, settings, {
      onUp: (purpose) => this.#up(purpose),
      onDown: (purpose, reason) => this.#down(purpose, reason),
      onRefused: (refusal, connection) => this.#refused(refusal, connection),
    });
  }

  readonly open = async (deadline: number): Promise<void> => {
    const { durability } = this.#settings.engine;
    const seeds = this.#settings.seeds.map((seed) => this.#nodes.at(seed));
    const reached = seeds.map(async ({ commands }) => {
      if (!(await commands.ready(deadline))) throw commands.problem;
    });
    await Promise.any(reached).catch(() => {
      throw seeds[0]?.commands.problem;
    });
    this.#timer = setInterval(this.#watch, HURRY_MS);
    this.#timer.unref();
    await this.#ask();
    const isDisabled = this.#refusal?.code === 'EVENTS_REDIS_CLUSTER_DISABLED';
    while (this.#ranges.length === 0 && !isDisabled && Date.now() < deadline) await this.#changed(deadline);
    if (this.#ranges.length === 0) throw this.#refusal ?? notFormed();
    // Who has a slot may change while we wait.
    while (Date.now() < deadline && this.#missing()) await this.#changed(deadline);
    const missing = this.#missing();
    if (missing) throw unreachable(missing.key, missing.commands.problem);
    if (durability)
      await checkReplicas(
        Array.from(this.#nodes, ({ commands }) => commands),
        durability,
        deadline,
      );
    this.#opened = true;
    this.#listener.onUp();
  };

  readonly placeOf = (key: string): string => String(slotOf(key));

  readonly at = (key: string): Commands => this.#route(key, this.#routes, false);

  readonly publisher = (key: string): Commands =>
    this.#settings.engine.durability ? this.#route(key, this.#publishers, true) : this.at(key);

  readonly reader = (place: string, listener: ConnectionListener): Connection => {
    const slot = Number(place);
    const connection = this.#nodes.connect('reader', () => this.#owners[slot]?.address, {
      ...listener,
      onRefused: (refusal) => {
        this.#refused(refusal, connection);
        if (refusal.reply === 'MOVED' || refusal.reply === 'READONLY') connection.redial();
      },
    });
    for (const known of this.#readers.keys()) if (known.closed) this.#readers.delete(known);
    this.#readers.set(connection, slot);
    return connection;
  };

  readonly nodeOf = (key: string): string | undefined => this.#owners[slotOf(key)]?.key;

  readonly problems = async (): Promise<readonly string[]> => {
    const problem = this.#state && clusterProblem(this.#state);
    const nodes = Array.from(this.#nodes, async ({ key, commands }) => {
      const of = await serverProblem(commands);
      return of && `${key}: ${of}`;
    });
    return [problem, ...(await Promise.all(nodes))].filter((each) => each !== undefined);
  };

  /** The oldest of all. */
  readonly versions = async (): Promise<Readonly<Record<string, string>>> => {
    const up = [...this.#nodes].filter(({ commands }) => commands.up);
    const versions = await Promise.all(up.map(({ commands }) => commands.run((client) => client.info('server'))));
    const [oldest = 'unknown'] = versions.map(versionOf).sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
    return { redis: oldest };
  };

  readonly close = (): void => {
    this.#closed = true;
    clearInterval(this.#timer);
    this.#nodes.keep(new Set());
    this.#resume();
  };

  #route(key: string, routes: Map<number, Route>, publishes: boolean): Route {
    const slot = slotOf(key);
    let route = routes.get(slot);
    if (!route) {
      const connectionOf = (node: Node | undefined): Connection | undefined =>
        publishes ? node?.publisher : node?.commands;
      route = new Route({
        timeoutMs: this.#settings.engine.timeoutMs,
        connection: () => connectionOf(this.#owners[slot]),
        redirected: (refusal) => connectionOf(this.#redirected(refusal)),
        changed: (deadline) => this.#changed(deadline),
        isClosed: () => this.#closed,
      });
      routes.set(slot, route);
    }
    return route;
  }

  #up(purpose: ConnectionPurpose): void {
    if (purpose === 'commands' && this.#opened) this.#listener.onUp();
    else this.#listener.onWay();
    this.#resume();
  }

  #down(purpose: ConnectionPurpose, reason: unknown): void {
    if (purpose === 'commands') this.#listener.onDown(reason);
    this.#wanted = true;
  }

  #refused(refusal: RedisReplyError, { client }: Connection): void {
    this.#wanted = true;
    if (refusal.reply !== 'MOVED' || !refusal.redirection || !this.#follows) return;
    const node = this.#redirected(refusal, client.options.host);
    if (node) this.#own(refusal.redirection.slot, node);
  }

  get #follows(): boolean {
    return this.#options.enableFailover ?? true;
  }

  /** The node that a refusal names. One that names no host means the host that was asked. */
  #redirected({ redirection }: RedisReplyError, asked?: string): Node | undefined {
    if (!redirection || this.#closed) return undefined;
    const { slot, host, port } = redirection;
    const told = host || (asked ?? this.#owners[slot]?.address.host);
    return told ? this.#nodes.at(this.#nodes.reach({ host: told, port })) : undefined;
  }

  #missing(): Node | undefined {
    return [...this.#nodes].find(({ commands, publisher }) => !commands.up || !publisher.up);
  }

  #own(slot: number, node: Node): boolean {
    if (this.#owners[slot] === node) return false;
    this.#owners[slot] = node;
    return true;
  }

  readonly #watch = (): void => {
    const { durability } = this.#settings.engine;
    const silentMs = SILENT_MS + (durability?.timeoutMs ?? 0);
    const hurry =
      this.#wanted ||
      (this.#state && clusterProblem(this.#state)) ||
      [...this.#nodes].some(
        ({ commands, publisher }) => !commands.up || commands.waitingMs > SILENT_MS || publisher.waitingMs > silentMs,
      );
    if (hurry || Date.now() - this.#askedAt >= ASK_MS) void this.#ask();
  };

  /** Asks one node after the other until one tells who has which slot. */
  #ask(): Promise<void> {
    this.#asking ??= this.#askAny().finally(() => {
      this.#asking = undefined;
    });
    return this.#asking;
  }

  async #askAny(): Promise<void> {
    this.#wanted = false;
    this.#askedAt = Date.now();
    this.#turn++;
    const known = [...this.#nodes].length;
    let older = 0;
    let up = [...this.#nodes].filter(({ commands }) => commands.up);
    // Everybody whom we knew is gone: those who we were told of in the beginning may be back.
    if (up.length === 0) for (const seed of this.#settings.seeds) this.#nodes.at(seed);
    const talking = up.filter(({ commands }) => commands.waitingMs < SILENT_MS);
    if (talking.length > 0) up = talking;
    for (let i = 0; i < up.length && !this.#closed; i++) {
      const node = up[(i + this.#turn) % up.length] as Node;
      const told = await this.#tell(node);
      if (Array.isArray(told)) {
        const state = clusterStateOf(String(told[0]));
        const isOlder = this.#state !== undefined && state.epoch < this.#state.epoch;
        // One node was cut off from the others; of most of them it is another cluster by now, at the same addresses.
        if (isOlder && ++older <= known / 2) continue;
        if (this.#take(node, state, told[1])) return;
      }
      if (isEventsError(told)) this.#refusal = isNoCluster(told) ? notACluster() : told;
    }
  }

  /** What a node tells, or why it does not; nothing when it takes too long. */
  async #tell({ commands }: Node): Promise<unknown> {
    let told: unknown;
    const asked = commands
      .run((client) => Promise.all([client.cluster('INFO'), client.cluster('SLOTS')]))
      .catch((error: unknown) => error)
      .then((answer) => {
        told = answer;
      });
    await within(asked, Date.now() + TELL_MS);
    return told;
  }

  /** False where nobody has a slot. */
  #take(asked: Node, state: ClusterState, slots: unknown): boolean {
    if (this.#closed) return false;
    const ranges = slotRangesOf(slots, asked.address, (address) => this.#nodes.reach(address));
    this.#state = state;
    if (ranges.length === 0) return false;
    const before = this.#ranges;
    this.#ranges = ranges;
    if (before.length > 0 && !this.#follows) return true;
    const nodes = new Set<Node>();
    let changes = before.length === 0;
    for (const { first, last, master } of ranges) {
      const node = this.#nodes.at(master);
      nodes.add(node);
      for (let slot = first; slot <= last; slot++) if (this.#own(slot, node)) changes = true;
    }
    this.#nodes.keep(nodes);
    if (changes) this.#hasChanged();
    return true;
  }

  #hasChanged(): void {
    for (const [connection, slot] of this.#readers) {
      const { host, port } = connection.client.options;
      const owner = this.#owners[slot]?.address;
      if (connection.closed) this.#readers.delete(connection);
      else if (owner && (owner.host !== host || owner.port !== port)) connection.redial();
    }
    this.#listener.onWay();
    this.#resume();
  }

  #changed(deadline: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(done);
        resolve();
      };
      const timer = setTimeout(done, Math.max(1, deadline - Date.now()));
      this.#waiting.add(done);
    });
  }

  #resume(): void {
    for (const resume of [...this.#waiting]) resume();
  }
}
