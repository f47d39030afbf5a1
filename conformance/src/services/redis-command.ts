import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { EventsError } from '@logistically/events-kernel';
import type { RedisAddress } from './redis-address.ts';
import { encodeCommand, type RespReply, readReply } from './resp.ts';

const login = ({ username, password, database }: RedisAddress): string[][] => [
  ...(password === undefined ? [] : [username === undefined ? ['AUTH', password] : ['AUTH', username, password]]),
  ...(database === undefined ? [] : [['SELECT', String(database)]]),
];

/**
 * Runs one command over a connection of its own and returns the parsed reply. A client of the tests' own, so that what
 * they observe does not hang on the client under test.
 *
 * Rejects with `EVENTS_SERVICE_REPLY` when Redis answers with an error, `EVENTS_SERVICE_TIMEOUT` when it does not answer
 * by the deadline, `EVENTS_SERVICE_UNAVAILABLE` when the connection fails.
 */
export const redisCommand = (address: RedisAddress, args: readonly string[], deadlineMs: number): Promise<RespReply> =>
  new Promise((resolve, reject) => {
    const { host, port, tls } = address;
    const where = `Redis at ${host}:${port}`;
    const commands = [...login(address), args];
    const socket = tls ? connectTls({ host, port, ...(tls !== true && tls) }) : connect({ host, port });
    let received: Buffer = Buffer.alloc(0);
    let answered = 0;

    const finish = (settle: () => void): void => {
      clearTimeout(timer);
      socket.destroy();
      settle();
    };
    const fail = (code: 'REPLY' | 'TIMEOUT' | 'UNAVAILABLE', message: string, cause?: unknown): void =>
      finish(() => reject(new EventsError(`EVENTS_SERVICE_${code}`, message, cause === undefined ? {} : { cause })));
    const timer = setTimeout(
      () => fail('TIMEOUT', `${where} did not answer ${args[0]} within ${deadlineMs} ms. Is it frozen or overloaded?`),
      deadlineMs,
    );

    const take = (reply: RespReply): void => {
      const command = commands[answered++];
      if (reply instanceof Error) fail('REPLY', `${where} refused ${command?.[0]}: ${reply.message}`);
      else if (answered === commands.length) finish(() => resolve(reply));
    };
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      try {
        for (let next = readReply(received); next !== undefined; next = readReply(received)) {
          received = received.subarray(next.end);
          take(next.reply);
        }
      } catch (error) {
        fail(
          'UNAVAILABLE',
          `${where} gave an answer that cannot be read. Check that the address is a Redis server's.`,
          error,
        );
      }
    });
    socket.on('error', (error) => fail('UNAVAILABLE', `${where} cannot be reached. Check that it runs.`, error));
    socket.on('close', () => fail('UNAVAILABLE', `${where} closed the connection without an answer to ${args[0]}.`));
    socket.write(commands.map(encodeCommand).join(''));
  });
