import type { BenchServer } from './bench-server.ts';
import type { BenchCase } from './case.ts';
import { variantsOf } from './case.ts';
import type { Run } from './message.ts';
import { PartProcess } from './part-process.ts';
import { sum } from './statistics.ts';

/** What one variant did in one turn; CPU in µs, `wallUs` from the first start to the last end of its parts. */
export interface Turn {
  readonly wallUs: number;
  readonly clientUs: Readonly<Record<string, number>>;
  readonly serverUs: number;
  readonly figures: Readonly<Record<string, number>>;
}

/** A variant that is open for one round. */
export interface Round {
  turn(events: number): Promise<Turn>;
  /** Verifies what was done, and closes. */
  end(): Promise<void>;
}

/** The processes of one case: they stay over all its rounds, so that their code is as warm as that of a service. */
export class Session implements AsyncDisposable {
  readonly #case: BenchCase;
  readonly #server: BenchServer | undefined;
  readonly #processes = new Map<string, PartProcess>();

  constructor(benchCase: BenchCase, server: BenchServer | undefined) {
    this.#case = benchCase;
    this.#server = server;
  }

  async open(variant: number, events: number): Promise<Round> {
    const { id: caseId } = this.#case;
    const roles = Object.keys(variantsOf(this.#case)[variant]?.parts ?? {});
    const parts = roles.map((role) => ({ role, host: this.#process(variant, role), part: { caseId, variant, role } }));
    const lab = { url: this.#server?.url ?? '', events };
    for (const { host, part } of parts) await host.tell({ order: 'open', part, lab });
    return {
      turn: async (count) => {
        const cpu = await this.#serverCpu();
        const done = await Promise.all(
          parts.map(async ({ role, host, part }) => {
            const run = (await host.tell({ order: 'run', part, events: count })) as Run;
            return { role, run };
          }),
        );
        const runs = done.map(({ run }) => run);
        return {
          wallUs: Math.max(...runs.map(({ end }) => end)) - Math.min(...runs.map(({ start }) => start)),
          clientUs: Object.fromEntries(done.map(({ role, run }) => [role, run.cpu])),
          serverUs: (await this.#serverCpu()) - cpu,
          figures: Object.assign({}, ...runs.map(({ figures }) => figures)),
        };
      },
      end: async () => {
        for (const { host, part } of parts.toReversed()) await host.tell({ order: 'close', part });
      },
    };
  }

  /** Leaves the server as empty as it was. */
  async clear(): Promise<void> {
    await this.#server?.cli('FLUSHALL', 'SYNC');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#processes.values()].map((process) => process[Symbol.asyncDispose]()));
  }

  #process(variant: number, role: string): PartProcess {
    const key = this.#case.turns ? 'all' : `${variant}/${role}`;
    const known = this.#processes.get(key) ?? new PartProcess();
    this.#processes.set(key, known);
    return known;
  }

  async #serverCpu(): Promise<number> {
    return this.#server ? (await this.#server.cpu()) * 1e6 : 0;
  }
}

/** Several turns as one. */
export const addTurns = (turns: readonly Turn[]): Turn => ({
  wallUs: sum(turns.map(({ wallUs }) => wallUs)),
  clientUs: Object.fromEntries(
    Object.keys(turns[0]?.clientUs ?? {}).map((role) => [role, sum(turns.map(({ clientUs }) => clientUs[role] ?? 0))]),
  ),
  serverUs: sum(turns.map(({ serverUs }) => serverUs)),
  figures: turns.at(-1)?.figures ?? {},
});
