import { EventsError, type EventsErrorCode } from '@logistically/events-kernel';

/** An error that a Redis server replied. `reply` is its first word: `NOGROUP`, `OOM`, `READONLY`, … */
class RedisReplyError extends EventsError {
  readonly reply: string;

  constructor(code: EventsErrorCode, message: string, reply: string) {
    super(code, message);
    this.reply = reply;
  }
}

const MEANINGS: Readonly<Record<string, readonly [code: EventsErrorCode, meaning: string]>> = {
  OOM: [
    'EVENTS_REDIS_STREAMS_OUT_OF_MEMORY',
    'Redis is at `maxmemory` and takes no more events until there is room: consume, trim or raise it.',
  ],
  MISCONF: [
    'EVENTS_REDIS_STREAMS_NOT_PERSISTED',
    'Redis refuses writes because it cannot persist (MISCONF): look at its disk.',
  ],
  READONLY: ['EVENTS_REDIS_STREAMS_READONLY', 'This server is a read-only replica: connect to the master.'],
  NOPERM: [
    'EVENTS_REDIS_STREAMS_NO_PERMISSION',
    'The Redis user may not run a command that is needed here: see the ACL line in the README.',
  ],
  NOAUTH: ['EVENTS_REDIS_STREAMS_AUTH', 'Redis asks for a password.'],
  WRONGPASS: ['EVENTS_REDIS_STREAMS_AUTH', 'Redis does not accept this user and password.'],
  WRONGTYPE: [
    'EVENTS_REDIS_STREAMS_WRONG_TYPE',
    'A key of this prefix holds something else than a stream: use another `prefix`, or remove the key.',
  ],
  NOGROUP: ['EVENTS_REDIS_STREAMS_NO_GROUP', 'The consumer group does not exist.'],
  LOST: [
    'EVENTS_REDIS_STREAMS_LEASE_LOST',
    'The delivery is no longer pending for this consumer: somebody took it over, or it was settled.',
  ],
  GONE: ['EVENTS_REDIS_STREAMS_ENTRY_GONE', 'The entry is no longer in the stream: it was trimmed or deleted.'],
};

/** A reply of the server as an error of ours. What the client attaches to it (the command, with its arguments) stays behind. */
export const replyError = (text: string): RedisReplyError => {
  // In a script's error the reply is preceded by "ERR " on some versions, and followed by the script's place.
  const words = text.replace(/^-?(?:ERR )?/, '').split(/[\s:]/, 1);
  const reply = /^[A-Z]+$/.test(words[0] ?? '') ? (words[0] as string) : 'ERR';
  const known = MEANINGS[reply];
  return known
    ? new RedisReplyError(known[0], known[1], reply)
    : new RedisReplyError(
        'EVENTS_REDIS_STREAMS_REPLY',
        `Redis replied: ${text.split(/, with args|, script:|\. Args/, 1)[0]?.slice(0, 200)}`,
        reply,
      );
};

const fail = (code: EventsErrorCode, message: string): EventsError => new EventsError(code, message);

/** The connection broke, or is not there. */
export const connectionLost = (): EventsError =>
  fail(
    'EVENTS_REDIS_STREAMS_CONNECTION',
    'The connection to Redis is down. It is being re-established; what was sent may or may not have arrived.',
  );

/** No answer in time. */
export const timedOut = (ms: number): EventsError =>
  fail(
    'EVENTS_REDIS_STREAMS_TIMEOUT',
    `Redis gave no answer within ${ms} ms. What was sent may or may not have arrived.`,
  );

/** Whether trying again on a new connection makes sense. */
export const isConnectionError = (error: unknown): boolean =>
  error instanceof EventsError &&
  (error.code === 'EVENTS_REDIS_STREAMS_CONNECTION' || error.code === 'EVENTS_REDIS_STREAMS_TIMEOUT');

/** Whether the server replied with this word. */
export const isReply = (error: unknown, reply: string): boolean =>
  error instanceof RedisReplyError && error.reply === reply;
