import { type Codec, type Envelope, EventsError, type LogEntry, type Payload } from '@logistically/events-kernel';
import { homeOf, redrivesOf } from './notes.ts';

/** A dead letter: the entry as it was received, and why it is here. */
export interface DeadLetter {
  /** `<dead letter topic>/<partition>/<cursor>`. */
  readonly id: string;
  /** Where it was delivered from, and where it goes when it is sent again. */
  readonly topic: string;
  readonly dlqTopic: string;
  readonly partition: number;
  /** Where it was in that topic's partition. */
  readonly cursor: string | undefined;
  readonly class: string | undefined;
  /** The group that could not handle it. */
  readonly group: string | undefined;
  /** The process that tried last: `<service>@<host>:<process id>`. */
  readonly consumer: string | undefined;
  readonly type: string | undefined;
  readonly error: { readonly name: string; readonly message: string; readonly code: string | undefined };
  readonly fingerprint: string | undefined;
  readonly attempts: number;
  /** How often it was sent again before. */
  readonly redrives: number;
  /** ISO 8601, with ms. */
  readonly firstFailedAt: string;
  readonly failedAt: string;
  /** All that was written beside the entry. */
  readonly notes: Readonly<Record<string, string>>;
  /** Undefined where the entry is no event, or not readable for the kernel's codec. */
  readonly envelope: Envelope | undefined;
  /** The entry, byte for byte. */
  readonly payload: Payload;
}

/** A position among the dead letters. */
export interface Position {
  readonly topic: string;
  readonly partition: number;
  readonly cursor: string;
}

export const idOf = ({ topic, partition, cursor }: Position): string => `${topic}/${partition}/${cursor}`;

/** Throws `EVENTS_DLQ_ID`. */
export const positionOf = (id: string, prefix: string): Position => {
  const [, topic, partition, cursor] = /^([^/]+)\/(\d{1,6})\/([^/]{1,128})$/.exec(String(id)) ?? [];
  if (topic === undefined || partition === undefined || cursor === undefined || !topic.startsWith(prefix)) {
    // An address in its place may hold a password.
    const shown = String(id).includes('://') ? 'That' : JSON.stringify(String(id).slice(0, 64));
    throw new EventsError(
      'EVENTS_DLQ_ID',
      `${shown} is no id of a dead letter: use \`id\` or \`next\` as \`list\` gave it.`,
    );
  }
  return { topic, partition: Number(partition), cursor };
};

/** The end of the year 9999, in ms since the epoch: what is later has another form. */
const LAST_MS = 253_402_300_799_999;

/** ISO 8601, with ms. Of an entry that was written by hand the time can be anything. */
export const isoOf = (ms: number): string => new Date(Math.min(Math.max(ms, 0), LAST_MS) || 0).toISOString();

/** The topic that an entry goes back to: what its note says, where that is of the same home. */
export const targetOf = ({ topic, notes }: LogEntry): string => {
  const home = homeOf(topic);
  const noted = notes?.topic;
  return noted !== undefined && homeOf(noted) === home && noted !== topic ? noted : home;
};

const envelopeOf = (codec: Codec, payload: Payload): Envelope | undefined => {
  try {
    return codec.decode(payload);
  } catch {
    return undefined;
  }
};

export const letterOf = (entry: LogEntry, codec: Codec): DeadLetter => {
  const { topic: dlqTopic, partition, time, payload, notes = {} } = entry;
  const envelope = envelopeOf(codec, payload);
  const stored = isoOf(time);
  return {
    id: idOf(entry),
    topic: targetOf(entry),
    dlqTopic,
    partition,
    cursor: notes.cursor,
    class: notes.class,
    group: notes.group,
    consumer: notes.consumer,
    type: notes.type ?? envelope?.header.type,
    error: { name: notes.errorName ?? '', message: notes.errorMessage ?? '', code: notes.errorCode },
    fingerprint: notes.fingerprint,
    attempts: Number(notes.attempts) || 0,
    redrives: redrivesOf(notes),
    firstFailedAt: notes.firstFailedAt ?? stored,
    failedAt: notes.failedAt ?? stored,
    notes,
    envelope,
    payload,
  };
};
