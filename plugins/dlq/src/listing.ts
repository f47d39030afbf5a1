import { checkFilter, checkText, isOf, type LetterFilter, misused, passes } from './filter.ts';
import { type DeadLetter, idOf, isoOf, positionOf, targetOf } from './letter.ts';
import type { Shelf } from './shelf.ts';

/** How many entries one call looks at. */
const MAX_SCAN = 100_000;
const MAX_GROUPS = 20;

export interface ListOptions extends LetterFilter {
  /** How many letters at most. Default 100. */
  readonly limit?: number;
  /** `next` of the page before. */
  readonly after?: string;
}

export interface LetterPage {
  readonly letters: readonly DeadLetter[];
  /** Give it as `after` for the next page; undefined when there is none. */
  readonly next: string | undefined;
}

export interface DlqStats {
  readonly depth: number;
  /** When the letter that failed first did so, ISO 8601. */
  readonly oldest: string | undefined;
  readonly byClass: Readonly<Record<string, number>>;
  readonly byCode: Readonly<Record<string, number>>;
  /** The twenty most frequent. */
  readonly byFingerprint: readonly { readonly fingerprint: string; readonly count: number; readonly message: string }[];
  /** True when there is more than the 100 000 that were counted. */
  readonly truncated: boolean;
}

export const list = async (shelf: Shelf, options: ListOptions = {}): Promise<LetterPage> => {
  if (typeof options !== 'object' || options === null) throw misused('`list` takes an object of options');
  const { limit = 100, after, ...filter } = options;
  if (!Number.isInteger(limit) || limit < 1) throw misused('`limit` must be a whole number from 1 on');
  checkFilter(Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== undefined)));
  const letters: DeadLetter[] = [];
  let scanned = 0;
  let next: string | undefined;
  const start = after === undefined ? undefined : positionOf(after, shelf.prefix);
  for await (const entry of shelf.walk({ topic: filter.topic, after: start })) {
    if (letters.length >= limit || scanned >= MAX_SCAN) return { letters, next };
    scanned++;
    next = idOf(entry);
    const letter = shelf.letter(entry);
    if (passes(filter, letter)) letters.push(letter);
  }
  return { letters, next: undefined };
};

export const stats = async (shelf: Shelf, topic?: string): Promise<DlqStats> => {
  if (topic !== undefined) checkText('topic', topic);
  const byClass = new Map<string, number>();
  const byCode = new Map<string, number>();
  const fingerprints = new Map<string, { count: number; message: string }>();
  const add = (counts: Map<string, number>, key: string): void => void counts.set(key, (counts.get(key) ?? 0) + 1);
  let depth = 0;
  let oldest: string | undefined;
  let truncated = false;
  for await (const entry of shelf.walk({ topic })) {
    const { notes = {}, time } = entry;
    if (!isOf(topic, targetOf(entry), entry.topic)) continue;
    if (depth === MAX_SCAN) {
      truncated = true;
      break;
    }
    depth++;
    const failedAt = notes.failedAt ?? isoOf(time);
    if (oldest === undefined || failedAt < oldest) oldest = failedAt;
    add(byClass, notes.class ?? 'unknown');
    add(byCode, notes.errorCode ?? 'none');
    const fingerprint = notes.fingerprint ?? 'none';
    const known = fingerprints.get(fingerprint);
    if (known) known.count++;
    else fingerprints.set(fingerprint, { count: 1, message: notes.errorMessage ?? '' });
  }
  const byFingerprint = [...fingerprints]
    .map(([fingerprint, known]) => ({ fingerprint, ...known }))
    .sort((a, b) => b.count - a.count)
    .slice(0, MAX_GROUPS);
  return {
    depth,
    oldest,
    byClass: Object.fromEntries(byClass),
    byCode: Object.fromEntries(byCode),
    byFingerprint,
    truncated,
  };
};
