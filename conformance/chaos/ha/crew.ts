import { setTimeout as sleep } from 'node:timers/promises';
import { spawnWorker, type WorkerProcess } from '../../src/services/index.ts';
import { now } from '../clock.ts';
import type { BusPlan } from './bus.ts';
import type { ConsumerPlan, ConsumerReport } from './consumer.ts';
import { PARTITIONS } from './load.ts';
import type { ProducerPlan, ProducerReport } from './producer.ts';

const CONSUMERS = 2;
const READY_MS = 20_000;
/** More than an event may wait for its confirmation, and a bus for its end. */
const LEAVE_MS = 20_000;

type Beat = Readonly<Record<string, readonly number[]>>;

const beatOf = ({ messages }: WorkerProcess): Beat => (messages.at(-1) as { beat?: Beat } | undefined)?.beat ?? {};

/** The processes of one run: a producer, and the consumers. */
export class Crew {
  readonly #producer: WorkerProcess;
  readonly #consumers: readonly WorkerProcess[];
  /** Processes that ended of themselves or did not stop, and what they said. */
  readonly deaths: string[] = [];
  readonly #leaving = new Set<WorkerProcess>();

  private constructor(plan: BusPlan, rate: number) {
    this.#consumers = Array.from({ length: CONSUMERS }, (_, index) => {
      const all = Array.from({ length: PARTITIONS }, (_, partition) => partition);
      const partitions = all.filter((partition) => partition % CONSUMERS === index);
      return this.#spawn('consumer', { ...plan, partitions } satisfies ConsumerPlan);
    });
    this.#producer = this.#spawn('producer', { ...plan, rate } satisfies ProducerPlan);
  }

  /** Starts all; resolves when everybody is at work. */
  static async open(plan: BusPlan, rate: number): Promise<Crew> {
    const crew = new Crew(plan, rate);
    try {
      const isReady = (message: object): boolean => 'ready' in message;
      await Promise.all([...crew.#consumers, crew.#producer].map((worker) => worker.next(isReady, READY_MS)));
      return crew;
    } catch (error) {
      await crew.close();
      throw error;
    }
  }

  /**
   * Resolves with true when in every partition an event is confirmed, and came to both groups, that was published after `since`;
   * with false when that was not so within `withinMs`.
   */
  async works(since: number, withinMs: number): Promise<boolean> {
    const end = now() + withinMs;
    while (!this.#everythingSince(since)) {
      if (now() > end || this.deaths.length > 0) return false;
      await sleep(20);
    }
    return true;
  }

  produced(): Promise<ProducerReport | undefined> {
    return this.#leave<ProducerReport>(this.#producer);
  }

  async consumed(): Promise<readonly ConsumerReport[]> {
    const reports = await Promise.all(this.#consumers.map((consumer) => this.#leave<ConsumerReport>(consumer)));
    return reports.filter((report) => report !== undefined);
  }

  async close(): Promise<void> {
    const all = [this.#producer, ...this.#consumers];
    for (const worker of all) this.#leaving.add(worker);
    await Promise.all(all.map((worker) => worker.stop()));
  }

  #spawn(kind: 'producer' | 'consumer', plan: object): WorkerProcess {
    const worker = spawnWorker(new URL(`./${kind}.ts`, import.meta.url), [JSON.stringify(plan)]);
    void worker.exit.then(({ code, signal }) => {
      if (!this.#leaving.has(worker)) this.deaths.push(`${kind} (${signal ?? code}): ${worker.output().slice(-1000)}`);
    });
    return worker;
  }

  async #leave<Report>(worker: WorkerProcess): Promise<Report | undefined> {
    this.#leaving.add(worker);
    try {
      await worker.send({ stop: true });
      const { report } = await worker.next((message: { report?: Report }) => 'report' in message, LEAVE_MS);
      return report;
    } catch (thrown) {
      this.deaths.push(thrown instanceof Error ? thrown.message : String(thrown));
      return undefined;
    } finally {
      await worker.stop();
    }
  }

  #everythingSince(since: number): boolean {
    const consumers = this.#consumers.map(beatOf);
    const isNew = (at: number | undefined): boolean => (at ?? 0) >= since;
    const published = beatOf(this.#producer).published ?? [];
    return Array.from(
      { length: PARTITIONS },
      (_, p) =>
        isNew(published[p]) &&
        consumers.some(({ ordered }) => isNew(ordered?.[p])) &&
        consumers.some(({ shared }) => isNew(shared?.[p])),
    ).every(Boolean);
  }
}
