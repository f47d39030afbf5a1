import type { RedisNode, RedisSentinelService } from '@logistically/events-conformance/services';
import { until } from './until.ts';

/** What a test asks the servers themselves, past the client under test. */
export class State {
  readonly #servers: RedisSentinelService;
  readonly #prefix: string;

  constructor(servers: RedisSentinelService, prefix: string) {
    this.#servers = servers;
    this.#prefix = prefix;
  }

  stream(topic: string): string {
    return `${this.#prefix}:{${topic}:0}:${topic}`;
  }

  /** The numbers of the events that the master has. */
  async stored(topic: string): Promise<Set<number>> {
    const master = await this.#servers.master();
    const entries = (await master.cli('XRANGE', this.stream(topic), '-', '+')) as [string, string[]][];
    return new Set(entries.map(([, [, event = '']]) => (JSON.parse(event) as { body: { n: number } }).body.n));
  }

  /** Waits until nothing of a topic is pending in a group. */
  async whenSettled(topic: string, group = 'shop'): Promise<void> {
    const master = await this.#servers.master();
    const pending = async (): Promise<unknown> =>
      ((await master.cli('XPENDING', this.stream(topic), group)) as unknown[])[0];
    await until(async () => (await pending()) === 0, `nothing is pending in ${topic}`);
  }
}

/** The connections of the clients under test to a server, by name. */
export const connectionsOf = async (server: Pick<RedisNode, 'cli'>): Promise<string[]> => {
  const list = String(await server.cli('CLIENT', 'LIST'));
  return [...list.matchAll(/ name=(events-\S+)/g)].map(([, name]) => name as string).sort();
};

/** How often a server ran a command since it started. */
export const callsOf = async (server: Pick<RedisNode, 'cli'>, command: string): Promise<number> => {
  const stats = String(await server.cli('INFO', 'commandstats'));
  return Number(new RegExp(`^cmdstat_${command}:calls=(\\d+)`, 'm').exec(stats)?.[1] ?? 0);
};
