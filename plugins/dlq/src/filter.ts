import { EventsError } from '@logistically/events-kernel';
import type { DeadLetter } from './letter.ts';

/** Which dead letters are meant. What is not named is not looked at. */
export interface LetterFilter {
  /** The topic that they come from: `user-events`; or the dead letter topic that they are in. */
  readonly topic?: string;
  readonly class?: string;
  readonly type?: string;
  readonly code?: string;
  readonly fingerprint?: string;
  readonly group?: string;
  /** Failed at this time or later. */
  readonly from?: Date;
  /** Failed before this time. */
  readonly to?: Date;
}

const TEXTS: readonly string[] = [
  'topic',
  'class',
  'type',
  'code',
  'fingerprint',
  'group',
] satisfies (keyof LetterFilter)[];
const TIMES: readonly string[] = ['from', 'to'] satisfies (keyof LetterFilter)[];

const isSame = <T>(wanted: T | undefined, actual: T): boolean => wanted === undefined || wanted === actual;

/** Whether a letter comes from a topic, or is in it. */
export const isOf = (wanted: string | undefined, topic: string, dlqTopic: string): boolean =>
  wanted === undefined || wanted === topic || wanted === dlqTopic;

export const passes = (filter: LetterFilter, letter: DeadLetter): boolean =>
  isOf(filter.topic, letter.topic, letter.dlqTopic) &&
  isSame(filter.class, letter.class) &&
  isSame(filter.type, letter.type) &&
  isSame(filter.code, letter.error.code) &&
  isSame(filter.fingerprint, letter.fingerprint) &&
  isSame(filter.group, letter.group) &&
  (!filter.from || letter.failedAt >= filter.from.toISOString()) &&
  (!filter.to || letter.failedAt < filter.to.toISOString());

/** What is no selection: taken as it stands it could mean more letters than somebody thinks. */
export const misselected = (what: string): EventsError =>
  new EventsError('EVENTS_DLQ_SELECTION', `kernel.dlq: ${what}.`);

export const misused = (what: string): EventsError => new EventsError('EVENTS_CONFIG', `kernel.dlq: ${what}.`);

export const checkText = (name: string, value: unknown): void => {
  if (typeof value !== 'string') throw misselected(`\`${name}\` must be a text; leave it out where all are meant`);
};

/** Throws `EVENTS_DLQ_SELECTION`, and `EVENTS_CONFIG` for what is no time. */
export const checkFilter = (filter: unknown): void => {
  if (typeof filter !== 'object' || filter === null || Array.isArray(filter))
    throw misselected('`filter` must be an object; `{}` means all');
  for (const [name, value] of Object.entries(filter)) {
    if (TEXTS.includes(name)) checkText(name, value);
    else if (!TIMES.includes(name))
      throw misselected(`a filter has no \`${name.slice(0, 64)}\`: it takes ${[...TEXTS, ...TIMES].join(', ')}`);
    else if (value === undefined) throw misselected(`\`${name}\` is undefined: leave it out where all are meant`);
    else if (!(value instanceof Date) || Number.isNaN(value.getTime()))
      throw misused(`\`${name}\` must be a valid Date`);
  }
};
