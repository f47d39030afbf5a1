import { connect } from 'node:net';
import { EventsError } from '@logistically/events-kernel';
import { type PostgresAttempt, postgresService } from './postgres-service.ts';

const ANSWER_DEADLINE_MS = 5_000;
/** "Do you speak TLS?", which a server answers with one letter before anybody has logged in. */
const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]);

const answers = (host: string, port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ host, port, signal: AbortSignal.timeout(ANSWER_DEADLINE_MS) });
    const finish = (verdict: boolean): void => {
      socket.destroy();
      resolve(verdict);
    };
    socket.once('connect', () => socket.write(SSL_REQUEST));
    socket.once('data', (reply) => finish(reply.length === 1 && 'SN'.includes(reply.toString('latin1'))));
    socket.once('error', () => finish(false));
    socket.once('end', () => finish(false));
  });

/**
 * Takes the server that `POSTGRES_URL` names. Rejects with `EVENTS_SERVICE_UNAVAILABLE` when it does not answer: a test on
 * another server than the one that was named would prove something else.
 */
export const postgresFromEnvironment = async (): Promise<PostgresAttempt> => {
  const text = process.env.POSTGRES_URL;
  if (!text) return { reason: 'POSTGRES_URL is not set' };
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url?.hostname || !['postgres:', 'postgresql:'].includes(url.protocol))
    throw new EventsError(
      'EVENTS_SERVICE_UNAVAILABLE',
      'POSTGRES_URL is not of the form postgres://user@host:port/database. Correct or unset it.',
    );
  const service = postgresService(text, 'environment', async () => {});
  const { host, port } = service;
  if (await answers(host, port)) return { service };
  throw new EventsError(
    'EVENTS_SERVICE_UNAVAILABLE',
    `POSTGRES_URL names the server ${host}:${port}, where no PostgreSQL answers. Start it, correct the address or unset it.`,
  );
};
