import { once } from 'node:events';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import type { RedisServer } from '@logistically/events-conformance/services';

/** A command as the server saw it. */
interface Seen {
  /** The address of the connection. */
  readonly source: string;
  readonly words: readonly string[];
}

/**
 * All that a server is sent from now on, but for what scripts do. Over a socket of its own: the client's MONITOR fails where the
 * first command is seen in the moment that it begins.
 */
export const monitor = async ({
  host,
  port,
}: RedisServer): Promise<AsyncDisposable & { readonly seen: readonly Seen[] }> => {
  const seen: Seen[] = [];
  const socket = connect({ host, port });
  socket.write('MONITOR\r\n');
  const lines = createInterface({ input: socket });
  lines.on('line', (line) => {
    const [, source = 'lua', rest = ''] = /^\+\S+ \[\d+ (\S+)\] (.*)$/.exec(line) ?? [];
    if (source !== 'lua')
      seen.push({ source, words: Array.from(rest.matchAll(/"((?:[^"\\]|\\.)*)"/g), ([, word = '']) => word) });
  });
  await once(lines, 'line');
  return {
    seen,
    [Symbol.asyncDispose]: async () => {
      socket.destroy();
    },
  };
};
