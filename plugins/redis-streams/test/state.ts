import type { RedisServer } from '@logistically/events-conformance/services';
import { createKeys, type Keys } from '../src/keys.ts';
import { until } from './until.ts';

/** What a test asks Redis itself, past the client under test. */
export class State {
  readonly keys: Keys;
  readonly #server: RedisServer;

  constructor(server: RedisServer, prefix = 'events') {
    this.#server = server;
    this.keys = createKeys(prefix);
  }

  /** How many deliveries of a topic are pending in a group; those that wait for their next attempt included. */
  async pending(topic: string, group = 'shop'): Promise<number> {
    const [count] = (await this.#server.cli('XPENDING', this.keys.stream(topic, 0), group)) as [number];
    return count;
  }

  /** Waits until nothing is. */
  whenSettled(topic: string, group?: string): Promise<void> {
    return until(async () => (await this.pending(topic, group)) === 0, `nothing is pending in ${topic}`);
  }

  /** Pending deliveries by consumer. */
  async pendingByConsumer(topic: string, group = 'shop'): Promise<Readonly<Record<string, number>>> {
    const reply = await this.#server.cli('XPENDING', this.keys.stream(topic, 0), group);
    const consumers = (reply as unknown[])[3] as [string, string][] | null;
    return Object.fromEntries((consumers ?? []).map(([name, count]) => [name, Number(count)]));
  }

  /** The consumers of a group, without those that keep something of the group's own. */
  async consumers(topic: string, group = 'shop'): Promise<string[]> {
    const reply = await this.#server.cli('XINFO', 'CONSUMERS', this.keys.stream(topic, 0), group);
    const names = (reply as string[][]).map((info) => info[info.indexOf('name') + 1] as string);
    return names.filter((name) => !name.startsWith('~'));
  }

  async length(topic: string): Promise<number> {
    return (await this.#server.cli('XLEN', this.keys.stream(topic, 0))) as number;
  }

  /** The connections of the clients under test, by name and id. */
  async connections(): Promise<{ readonly id: string; readonly name: string; readonly addr: string }[]> {
    const list = String(await this.#server.cli('CLIENT', 'LIST', 'TYPE', 'normal'));
    return list
      .trim()
      .split('\n')
      .map(
        (line) => Object.fromEntries(line.split(' ').map((pair) => pair.split(/=(.*)/s, 2))) as Record<string, string>,
      )
      .map(({ id = '', name = '', addr = '' }) => ({ id, name, addr }))
      .filter(({ name }) => name.startsWith('events-'));
  }

  /** How often a command was called since the server started, subcommands included. */
  async calls(command: string): Promise<number> {
    const stats = String(await this.#server.cli('INFO', 'commandstats'));
    let sum = 0;
    for (const [, name, calls] of stats.matchAll(/^cmdstat_([^:|]+)[^:]*:calls=(\d+)/gm))
      if (name === command) sum += Number(calls);
    return sum;
  }
}
