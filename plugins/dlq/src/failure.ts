import { createHash } from 'node:crypto';
import { type EventsError, isEventsError } from '@logistically/events-kernel';
import { withoutCredentials } from './credentials.ts';

const MAX_TEXT_BYTES = 1024;
/** Before anything is looked for in a text: what is longer only costs time. */
const MAX_READ = 4096;

/** What a dead letter tells of the error. */
export interface Failure {
  readonly name: string;
  readonly message: string;
  readonly code: string | undefined;
  readonly fingerprint: string;
}

/** The code of another plugin, which is known by its name alone. */
const codeOf = (plugin: string, what: string): string => `EVENTS_${plugin}_${what}`;
const SCHEDULED = codeOf('RETRY', 'SCHEDULED');
const WRAPPERS = new Set([codeOf('RETRY', 'EXHAUSTED'), codeOf('RETRY', 'NOT_RETRYABLE'), SCHEDULED]);

/** What is thrown may itself throw when it is looked at. */
const isOurs = (reason: unknown): reason is EventsError => {
  try {
    return isEventsError(reason);
  } catch {
    return false;
  }
};

/** Whether somebody else decides: it is planned again, was ended from outside, or nothing was tried. */
export const isUndecided = (reason: unknown): boolean =>
  isOurs(reason) && (reason.code === SCHEDULED || reason.code === 'EVENTS_ABORTED' || reason.uncounted);

/** The handler's own error, without what the retry plugin put around it. */
export const rootOf = (reason: unknown): unknown => {
  let error = reason;
  while (isOurs(error) && WRAPPERS.has(error.code) && error.cause !== undefined) error = error.cause;
  return error;
};

const field = (error: unknown, name: string): unknown => {
  try {
    return (Object(error) as Record<string, unknown>)[name];
  } catch {
    return undefined;
  }
};

const textField = (error: unknown, name: string): string | undefined => {
  const value = field(error, name);
  return typeof value === 'string' && value !== '' ? value : undefined;
};

/** At most `bytes` of UTF-8, cut between characters. */
const cut = (text: string, bytes: number): string => {
  const encoded = Buffer.from(text);
  if (encoded.length <= bytes) return text;
  let end = bytes;
  while (((encoded[end] ?? 0) & 0xc0) === 0x80) end--;
  return encoded.toString('utf8', 0, end);
};

/** What is kept of a text: without credentials, also of an address that is cut in two. */
const kept = (text: string, bytes: number): string =>
  cut(withoutCredentials(text.slice(0, MAX_READ), text.length > MAX_READ), bytes);

const messageOf = (error: unknown): string =>
  kept((typeof error === 'string' ? error : textField(error, 'message')) ?? '', MAX_TEXT_BYTES);

/** Text and numbers only: anything else may throw when it is made a text. */
const codeTextOf = (error: unknown): string | undefined => {
  const code = field(error, 'code');
  return typeof code === 'number' ? String(code) : textField(error, 'code');
};

/** What is the same in two messages of one cause. */
const normalized = (message: string): string =>
  message
    .replace(/[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}/gi, '#')
    .replace(/"[^"]*"|'[^']*'|`[^`]*`/g, '#')
    .replace(/\d+/g, '#');

/** The function of the first frame of a V8 stack: `    at name (file:1:2)`. */
const frameOf = (error: unknown): string =>
  /^ {4}at (?:async )?(?:new )?([^\s(]+) \(/m.exec((textField(error, 'stack') ?? '').slice(0, MAX_READ))?.[1] ?? '';

/** What is kept of an error: its texts at most 1 kB each, without credentials. */
export const failureOf = (error: unknown): Failure => {
  const name = kept(textField(error, 'name') ?? typeof error, 128);
  const rawCode = codeTextOf(error);
  const code = rawCode === undefined ? undefined : kept(rawCode, 128);
  const message = messageOf(error);
  const sameness = [name, code ?? '', normalized(message), frameOf(error)].join('\n');
  const fingerprint = createHash('sha256').update(sameness).digest('hex').slice(0, 16);
  return { name, message, code, fingerprint };
};
