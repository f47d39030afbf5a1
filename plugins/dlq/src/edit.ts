import { type Awaitable, type Codec, createEnvelope, EventsError } from '@logistically/events-kernel';
import type { DeadLetter } from './letter.ts';

/** What is put in place of a letter's own. Headers are added to those that it has. */
export interface Edit {
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

const KEYS: readonly string[] = ['body', 'headers'] satisfies (keyof Edit)[];

export const refused = (why: string, cause?: unknown): EventsError =>
  new EventsError('EVENTS_DLQ_REFUSED', `The dead letter stays where it is: ${why}.`, { cause });

export const isRefusal = (reason: unknown): boolean =>
  (reason as { code?: unknown } | undefined)?.code === 'EVENTS_DLQ_REFUSED';

/** The letter as `edit` wants it; undefined: as it is. Rejects with a refusal. */
export const edited = async (
  letter: DeadLetter,
  edit: (letter: DeadLetter) => Awaitable<Edit | undefined>,
  codec: Codec,
): Promise<DeadLetter | undefined> => {
  try {
    const changes = await edit(letter);
    if (changes === undefined || changes === null) return undefined;
    if (typeof changes !== 'object' || Object.keys(changes).some((key) => !KEYS.includes(key)))
      throw refused('`edit` gives `{ body, headers }`, either of them or none, and nothing else');
    if (!letter.envelope) throw refused('it is no event, which `edit` could change');
    const { header, body } = letter.envelope;
    const headers = changes.headers ? { ...header.headers, ...changes.headers } : header.headers;
    const fields = { ...header, ...(headers && { headers }) };
    const envelope = createEnvelope(fields, 'body' in changes ? changes.body : body);
    return { ...letter, envelope, payload: codec.encode(envelope) };
  } catch (thrown) {
    throw isRefusal(thrown) ? thrown : refused('`edit` failed', thrown);
  }
};

/** Rejects with a refusal. */
export const validated = async (
  letter: DeadLetter,
  validate: (letter: DeadLetter) => Awaitable<boolean>,
): Promise<void> => {
  let valid: boolean;
  try {
    valid = await validate(letter);
  } catch (thrown) {
    throw refused('`validate` failed', thrown);
  }
  if (!valid) throw refused('`validate` said no');
};
