import { EventsError, type EventsErrorCode } from '@logistically/events-kernel';

/** Where a cluster sends somebody who asked the wrong node. */
interface Redirection {
  readonly slot: number;
  /** Empty: the host that was asked. */
  readonly host: string;
  readonly port: number;
}

/** An error that a Redis server replied. */
export class RedisReplyError extends EventsError {
  /** Its first word: `NOGROUP`, `OOM`, `READONLY`, … */
  readonly reply: string;
  /** The servers are being changed, and nothing was done: the same command may succeed a moment later. */
  readonly passing: boolean;
  readonly redirection: Redirection | undefined;

  constructor(code: EventsErrorCode, message: string, reply: string, passing: boolean, redirection?: Redirection) {
    super(code, message);
    this.reply = reply;
    this.passing = passing;
    this.redirection = redirection;
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
  MOVED: ['EVENTS_REDIS_STREAMS_UNAVAILABLE', 'The keys are on another node of the cluster by now.'],
  ASK: ['EVENTS_REDIS_STREAMS_UNAVAILABLE', 'The keys are being moved to another node of the cluster.'],
  TRYAGAIN: ['EVENTS_REDIS_STREAMS_UNAVAILABLE', 'The keys are being moved to another node of the cluster.'],
  CLUSTERDOWN: [
    'EVENTS_REDIS_STREAMS_UNAVAILABLE',
    'The cluster does not serve these keys (CLUSTERDOWN): no master has them, or most of the masters cannot be reached.',
  ],
  LOADING: ['EVENTS_REDIS_STREAMS_UNAVAILABLE', 'Redis is still loading its data.'],
  MASTERDOWN: [
    'EVENTS_REDIS_STREAMS_UNAVAILABLE',
    'This replica has lost its master: another one has not been elected yet.',
  ],
  NOREPLICAS: [
    'EVENTS_REDIS_STREAMS_NOT_REPLICATED',
    'Redis refuses writes because too few replicas are connected (min-replicas-to-write): bring them back, or ask for fewer.',
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

/** What a user lacks, as far as the server says. Names of commands only: keys may be a user's. */
const lacking = (text: string): string => {
  const [, command] = /run the '([\w|-]+)' command/i.exec(text) ?? [];
  if (command) return ` It lacks +${command}.`;
  return /\bkeys?\b/.test(text) ? ' It lacks a key pattern: look at `prefix`.' : '';
};

const redirectionOf = (text: string): Redirection | undefined => {
  // "?": a node that is to be called by its name, and has none.
  const [, slot, host = '', port] = /^(?:MOVED|ASK) (\d+) (?:\?|(\S*)):(\d+)/.exec(text) ?? [];
  return slot === undefined ? undefined : { slot: Number(slot), host, port: Number(port) };
};

/** A reply of the server as an error of ours. What the client attaches to it (the command, with its arguments) stays behind. */
export const replyError = (text: string, passing?: ReadonlySet<string>): RedisReplyError => {
  // In a script's error the reply is preceded by "ERR " on some versions, and followed by the script's place.
  const words = text.replace(/^-?(?:ERR )?/, '').split(/[\s:]/, 1);
  const isDenied = /user executing the script can't/i.test(text);
  const reply = isDenied ? 'NOPERM' : /^[A-Z]+$/.test(words[0] ?? '') ? (words[0] as string) : 'ERR';
  const known = MEANINGS[reply];
  const passes = passing?.has(reply) ?? false;
  return known
    ? new RedisReplyError(
        known[0],
        reply === 'NOPERM' ? `${known[1]}${lacking(text)}` : known[1],
        reply,
        passes,
        redirectionOf(text),
      )
    : new RedisReplyError(
        'EVENTS_REDIS_STREAMS_REPLY',
        `Redis replied: ${text.split(/, with args|, script:|\. Args/, 1)[0]?.slice(0, 200)}`,
        reply,
        passes,
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

/** What a handler is told when its delivery is somebody else's by now. */
export const leaseLost = (): EventsError =>
  fail('EVENTS_REDIS_STREAMS_LEASE_LOST', 'This delivery was taken over by somebody else: stop working on it.');

/** There was no connection for as long as an event may wait. */
export const notSent = (ms: number): EventsError =>
  fail('EVENTS_REDIS_STREAMS_TIMEOUT', `There was no connection to Redis for ${ms} ms: the event was not sent.`);

/** What was stored is not on as many replicas as were asked for. */
export const notReplicated = (has: number, wanted: number, ms: number): EventsError =>
  new EventsError(
    'EVENTS_REDIS_STREAMS_NOT_REPLICATED',
    `${has} of ${wanted} replicas (durability) had the event within ${ms} ms. It is stored on the master; a failover now would lose it.`,
    { retryAfterMs: 100 },
  );

/** No connection could be made. Of the client's error only what carries no secret and no payload. */
export const connectError = (error: unknown): EventsError => {
  if (error instanceof EventsError) return error;
  if (!(error instanceof Error)) return connectionLost();
  const { code, name } = error as Error & { readonly code?: unknown };
  const word = typeof code === 'string' ? code : name;
  const tls =
    TLS[word] ??
    (/^ERR_OSSL/.test(word) ? UNREADABLE : undefined) ??
    (/^(?:ERR_TLS|ERR_SSL|EPROTO)/.test(word) ? 'The TLS handshake failed.' : undefined);
  return tls
    ? fail('EVENTS_REDIS_STREAMS_TLS', `There is no connection to Redis. ${tls} (${word})`)
    : fail(
        'EVENTS_REDIS_STREAMS_CONNECTION',
        `There is no connection to Redis (${word}). Check the address and that it runs.`,
      );
};

const UNTRUSTED = 'Its certificate is signed by nobody who is trusted here: give the CA in `redis.tls.ca`.';

const UNREADABLE = 'The certificate or the key that is given in `redis.tls` cannot be read: it is to be PEM.';

/** Error codes of node:tls and OpenSSL. */
const TLS: Readonly<Record<string, string>> = {
  SELF_SIGNED_CERT_IN_CHAIN: UNTRUSTED,
  DEPTH_ZERO_SELF_SIGNED_CERT: UNTRUSTED,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNTRUSTED,
  UNABLE_TO_GET_ISSUER_CERT: UNTRUSTED,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNTRUSTED,
  CERT_SIGNATURE_FAILURE: UNTRUSTED,
  CERT_HAS_EXPIRED: 'Its certificate has expired: renew it on the server.',
  CERT_NOT_YET_VALID: 'Its certificate is not valid yet: look at the clocks.',
  CERT_REVOKED: 'Its certificate was revoked: renew it on the server.',
  ERR_TLS_CERT_ALTNAME_INVALID:
    'Its certificate is for another host: connect by a name that it has, or set `redis.tls.servername`.',
};

/** Whether trying again makes sense: the connection broke, or the servers were being changed. */
export const isConnectionError = (error: unknown): boolean =>
  error instanceof RedisReplyError
    ? error.passing
    : error instanceof EventsError &&
      (error.code === 'EVENTS_REDIS_STREAMS_CONNECTION' || error.code === 'EVENTS_REDIS_STREAMS_TIMEOUT');

/** Whether the server refused because the servers were being changed: nothing was done. */
export const isRefusal = (error: unknown): error is RedisReplyError =>
  error instanceof RedisReplyError && error.passing;

/** Whether the server replied with this word. */
export const isReply = (error: unknown, reply: string): boolean =>
  error instanceof RedisReplyError && error.reply === reply;
