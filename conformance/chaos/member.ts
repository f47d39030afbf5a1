import { type NetworkProxy, proxy, type RedisServer, spawnWorker, type WorkerProcess } from '../src/services/index.ts';
import type { Ledger } from './ledger.ts';

interface MemberOptions {
  readonly slot: string;
  readonly program: URL;
  readonly server: RedisServer;
  readonly ledger: Ledger;
  /** What the program is told, but for its name and the URL of its server. */
  readonly plan: (generation: number) => object;
  /** It ended by itself, and was not told to. */
  readonly onDeath: (name: string, output: string) => void;
}

/** A process of the service, behind a proxy of its own, and those that come after it in its place. */
export class Member {
  readonly #options: MemberOptions;
  readonly network: NetworkProxy;
  /** Something is being done to it. */
  isBusy = false;
  #generation = 0;
  #worker: WorkerProcess | undefined;
  #isLeaving = false;

  private constructor(options: MemberOptions, network: NetworkProxy) {
    this.#options = options;
    this.network = network;
  }

  static async open(options: MemberOptions): Promise<Member> {
    const { host, port } = options.server;
    const member = new Member(options, await proxy({ host, port }));
    await member.spawn();
    return member;
  }

  get name(): string {
    return `${this.#options.slot}.${this.#generation}`;
  }

  async spawn(): Promise<void> {
    const { program, plan, onDeath } = this.#options;
    this.#generation++;
    this.#isLeaving = false;
    const name = this.name;
    const worker = spawnWorker(program, [JSON.stringify({ name, url: this.network.url, ...plan(this.#generation) })]);
    this.#worker = worker;
    void worker.exit.then(({ code }) => {
      this.#ended(name);
      if (worker === this.#worker && !this.#isLeaving && code !== null) onDeath(name, worker.output().slice(-2000));
    });
  }

  /** Sudden death. */
  async kill(): Promise<void> {
    this.#isLeaving = true;
    await this.#worker?.stop();
  }

  pause(): void {
    this.#worker?.kill('SIGSTOP');
  }

  resume(): void {
    this.#worker?.kill('SIGCONT');
  }

  /** Leaves in good order; resolves with what it reports, or undefined when it does not within the time. */
  async leave(timeoutMs: number): Promise<unknown> {
    this.#isLeaving = true;
    const worker = this.#worker;
    if (!worker) return undefined;
    try {
      await worker.send({ stop: true });
      return await worker.next((message: object) => !('ready' in message), timeoutMs);
    } catch {
      return undefined;
    } finally {
      await worker.stop();
    }
  }

  async close(): Promise<void> {
    this.#isLeaving = true;
    this.resume();
    await this.#worker?.stop();
    await this.network.stop();
  }

  #ended(name: string): void {
    this.#options.ledger.write({ fact: 'end', consumer: name });
  }
}
