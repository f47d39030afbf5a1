import { Redis, type RedisOptions } from 'ioredis';
import type { RedisClusterOptions } from '../src/index.ts';

/** A command as it was sent: its name and its arguments. */
type Sent = readonly string[];

/** Writes down every command that is sent on the connections that it makes. */
export class Commands {
  readonly sent: Sent[] = [];
  /** Of commands and, by hash or source, of scripts. */
  readonly names = new Set<string>();

  readonly connect: NonNullable<RedisClusterOptions['connect']> = (_, options) => {
    const { sent, names } = this;
    class Watched extends Redis<'legacy'> {
      override sendCommand(...given: Parameters<Redis['sendCommand']>): unknown {
        const [command] = given;
        const [first, ...rest] = command.args.map(String);
        names.add(command.name);
        if (command.name.startsWith('eval')) names.add(first ?? '');
        sent.push([command.name, ...(first === undefined ? [] : [first, ...rest])]);
        return super.sendCommand(...given);
      }
    }
    return new Watched(options as RedisOptions & { readonly replyMapping: 'legacy' });
  };

  /** How often a command was sent. */
  count(name: string): number {
    return this.sent.filter(([sent]) => sent === name).length;
  }

  /** Those that name keys, with their keys, as a server reads them. */
  async keys(url: string): Promise<{ readonly command: Sent; readonly keys: readonly string[] }[]> {
    const distinct = new Map(
      this.sent.filter(({ length }) => length > 1).map((command) => [JSON.stringify(command), command]),
    );
    const client = new Redis(url);
    try {
      const read = Array.from(distinct.values(), async (command) => {
        const keys = (await client.call('COMMAND', 'GETKEYS', ...command).catch((error: Error) => {
          if (error.message.includes('The command has no key arguments')) return [];
          // Clients tell their version, which Redis 7.0 does not know yet.
          if (command[0] === 'client' && command[1] === 'SETINFO') return [];
          throw new Error(`${command.slice(0, 2)}: ${error.message}`);
        })) as string[];
        return { command, keys };
      });
      return (await Promise.all(read)).filter(({ keys }) => keys.length > 0);
    } finally {
      client.disconnect();
    }
  }
}
