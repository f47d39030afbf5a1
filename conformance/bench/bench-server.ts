import { type RedisServer, redis, redisSentinel } from '@logistically/events-conformance/services';
import type { BenchCase } from './case.ts';

/** What a benchmark needs of a server. */
export type BenchServer = Pick<RedisServer, 'url' | 'cli' | 'cpu'>;

/** The servers of a run, started when the first case needs them. Each is the run's alone: it is emptied between the variants. */
export class BenchServers implements AsyncDisposable {
  #single: ReturnType<typeof redis> | undefined;
  #replicated: ReturnType<typeof redisSentinel> | undefined;

  async of({ local, replicated }: Pick<BenchCase, 'local' | 'replicated'>): Promise<BenchServer | undefined> {
    if (local) return undefined;
    // A local process disturbs less than a container.
    this.#single ??= replicated ? undefined : redis({ exclusive: true, sources: ['binary', 'package', 'container'] });
    if (!replicated) return this.#single;
    this.#replicated ??= redisSentinel({ replicas: 2 });
    return (await this.#replicated).master();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await (await this.#single)?.stop();
    await (await this.#replicated)?.stop();
  }
}
