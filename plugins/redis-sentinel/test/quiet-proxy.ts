import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import type { Address } from '../src/index.ts';

/** A way to a sentinel on which what it announces gets lost, and nothing else. */
export const quietProxy = async (target: Address): Promise<Address & AsyncDisposable> => {
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(target.port, target.host);
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => other.destroy());
    }
    near.pipe(far);
    far.on('data', (data) => {
      if (!data.includes('+switch-master\r\n$') || data.includes('subscribe')) near.write(data);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    host: '127.0.0.1',
    port: (server.address() as { port: number }).port,
    [Symbol.asyncDispose]: async () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
};
