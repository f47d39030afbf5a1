import { EventsError } from '@logistically/events-kernel';
import { LOOPBACK } from './free-port.ts';
import type { RedisAddress, RedisTls } from './redis-address.ts';
import { configLines, writeConfig } from './redis-config.ts';
import type { RedisFleetOptions } from './redis-fleet-options.ts';
import { type RedisNode, redisNode } from './redis-node.ts';
import { serverArguments } from './redis-options.ts';
import { redisProcess } from './redis-process.ts';
import { tlsSetting } from './redis-tls.ts';
import { type ReplicationProxy, replicationProxy } from './replication-proxy.ts';
import type { ServerProcess } from './server-process.ts';

/** What can be done to the replication of all data nodes at once. Throws `EVENTS_SERVICE_UNSUPPORTED` unless `proxied`. */
export interface ReplicationControl {
  /**
   * Holds back every byte between masters and replicas, on links of the moment and on new ones. Clients, sentinels and
   * the cluster's bus go on unhindered.
   */
  cutReplication(): void;
  /** Delivers what was held back and goes on. */
  healReplication(): void;
  /** How many milliseconds each byte of replication takes longer, in each direction, from now on. 0: none. */
  replicationDelay(ms: number): void;
}

/** The servers of one set-up, with their proxies and certificates: started, governed and removed together. */
export class RedisFleet implements ReplicationControl {
  readonly #command: string;
  readonly #options: RedisFleetOptions;
  readonly #tls: ReturnType<typeof tlsSetting>;
  readonly #processes: ServerProcess[] = [];
  readonly #proxies: ReplicationProxy[] = [];
  #cut = false;
  #disposed: Promise<void> | undefined;

  constructor(command: string, options: RedisFleetOptions) {
    this.#command = command;
    this.#options = options;
    this.#tls = tlsSetting(options.tls);
  }

  /** What a client needs to speak TLS with these servers. */
  get tls(): RedisTls | undefined {
    return this.#tls?.client;
  }

  get replicationIsCut(): boolean {
    return this.#cut;
  }

  /** Where a server of this fleet listens and lives: arguments of `redis-server`. */
  listening(port: number, directory: string): string[] {
    return ['--bind', LOOPBACK, ...(this.#tls?.args(port) ?? ['--port', String(port)]), '--dir', directory];
  }

  /**
   * Adds a server that keeps data, and its configuration as sentinels rewrite it. `args` are asked for once, with its
   * directory and the port that others reach it by.
   */
  async addDataNode(port: number, args: (directory: string, announced: number) => string[]): Promise<RedisNode> {
    const { password, proxied, replicationLogin } = this.#options;
    const network = proxied ? await replicationProxy({ host: LOOPBACK, port }) : undefined;
    if (network) this.#proxies.push(network);
    const announced = network?.port ?? port;
    const login = replicationLogin?.password ?? password;
    const address = this.#address(port, password);
    const configuration = (directory: string): string[] => [
      ...this.listening(port, directory),
      ...['--replica-announce-ip', LOOPBACK, '--replica-announce-port', String(announced)],
      // What makes a replica catch up at once instead of in five seconds.
      ...['--repl-diskless-sync', 'yes', '--repl-diskless-sync-delay', '0', '--repl-backlog-size', '16mb'],
      ...(login === undefined ? [] : ['--masterauth', login]),
      ...(replicationLogin ? ['--masteruser', replicationLogin.username] : []),
      ...args(directory, announced),
      ...serverArguments(this.#options),
    ];
    const process = this.#add(address, (directory) => [
      writeConfig(directory, () => configLines(configuration(directory))),
    ]);
    return redisNode(address, process, network);
  }

  /** Adds a server of another kind, which brings all its arguments. */
  addServer(
    port: number,
    password: string | undefined,
    args: (directory: string) => string[],
    started?: (node: Pick<RedisNode, 'cli'>) => Promise<void>,
  ): RedisNode {
    const address = this.#address(port, password);
    return redisNode(address, this.#add(address, args), undefined, started);
  }

  /**
   * Starts the servers added so far that do not run yet. False when somebody else took the port of one; then, and when
   * one does not come up, nothing of the fleet is left.
   */
  async startUnlessTaken(): Promise<boolean> {
    const results = await Promise.allSettled(this.#processes.map((process) => process.startUnlessTaken()));
    if (results.every((result) => result.status === 'fulfilled' && result.value)) return true;
    await this.dispose();
    for (const result of results) if (result.status === 'rejected') throw result.reason;
    return false;
  }

  cutReplication(): void {
    for (const { cutReplication } of this.#proxied()) cutReplication();
    this.#cut = true;
  }

  healReplication(): void {
    for (const { healReplication } of this.#proxied()) healReplication();
    this.#cut = false;
  }

  replicationDelay(ms: number): void {
    for (const { replicationDelay } of this.#proxied()) replicationDelay(ms);
  }

  dispose(): Promise<void> {
    this.#disposed ??= this.#remove();
    return this.#disposed;
  }

  async #remove(): Promise<void> {
    await Promise.all(this.#processes.map((process) => process.dispose()));
    await Promise.all(this.#proxies.map((each) => each.stop()));
    await this.#tls?.dispose();
  }

  #add(address: RedisAddress, args: (directory: string) => string[]): ServerProcess {
    const process = redisProcess(this.#command, address, args);
    this.#processes.push(process);
    return process;
  }

  #address(port: number, password: string | undefined): RedisAddress {
    return {
      host: LOOPBACK,
      port,
      ...(password !== undefined && { password }),
      ...(this.#tls && { tls: this.#tls.observer }),
    };
  }

  #proxied(): readonly ReplicationProxy[] {
    if (this.#options.proxied) return this.#proxies;
    throw new EventsError(
      'EVENTS_SERVICE_UNSUPPORTED',
      'Replication goes from server to server here, with nothing between that could hold it back. Ask for proxied: true.',
    );
  }
}
