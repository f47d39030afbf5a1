import { once } from 'node:events';
import { connect } from 'node:net';
import type { RedisServer } from '@logistically/events-conformance/services';

/** Appends an entry as a foreign producer would: any bytes, over a socket of its own. Returns its id. */
export const rawXadd = async (
  { host, port }: RedisServer,
  stream: string,
  fields: readonly (string | Uint8Array)[],
): Promise<string> => {
  const words = ['XADD', stream, '*', ...fields].map((word) => Buffer.from(word as string));
  const bulks = words.flatMap((word) => [Buffer.from(`$${word.length}\r\n`), word, Buffer.from('\r\n')]);
  const socket = connect({ host, port });
  try {
    socket.write(Buffer.concat([Buffer.from(`*${words.length}\r\n`), ...bulks]));
    let reply = '';
    while (!/^([-+:].*\r\n|\$\d+\r\n.*\r\n)/.test(reply)) {
      const [chunk] = (await once(socket, 'data')) as [Buffer];
      reply += chunk.toString();
    }
    if (reply.startsWith('-')) throw new Error(reply.trim());
    return reply.split('\r\n')[1] as string;
  } finally {
    socket.destroy();
  }
};
