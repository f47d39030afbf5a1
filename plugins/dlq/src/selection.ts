import type { LogEntry } from '@logistically/events-kernel';
import { checkFilter, checkText, isOf, type LetterFilter, misselected, passes } from './filter.ts';
import { idOf } from './letter.ts';
import { entriesOf } from './lookup.ts';
import { runsOf } from './notes.ts';
import type { Shelf } from './shelf.ts';

/** Which letters. What is given has to hold together; `filter: {}` means all. */
export interface Selection {
  readonly ids?: readonly string[];
  readonly filter?: LetterFilter;
  readonly fingerprint?: string;
  /** The topic that they come from, or the dead letter topic that they are in. */
  readonly topic?: string;
}

const KEYS: readonly string[] = ['ids', 'filter', 'fingerprint', 'topic'] satisfies (keyof Selection)[];

/**
 * Throws `EVENTS_DLQ_SELECTION` where nothing is selected, and where a part of the selection is undefined or, as when it is
 * misspelt, unknown: the rest of it would take more than is meant. `others`: what else may be there.
 */
export const checkSelection = (options: unknown, others: readonly string[]): void => {
  const given: Readonly<Record<string, unknown>> = Object(options);
  const names = Object.keys(given);
  const { ids } = given;
  if (!names.some((name) => KEYS.includes(name)))
    throw misselected('say which dead letters: `ids`, `filter`, `fingerprint` or `topic`; `filter: {}` means all');
  for (const name of names)
    if (![...KEYS, ...others].includes(name))
      throw misselected(`there is no option \`${name.slice(0, 64)}\`: it could be a misspelt selection`);
  if (names.includes('ids') && !(Array.isArray(ids) && ids.every((id) => typeof id === 'string')))
    throw misselected('`ids` must be an array of ids');
  if (names.includes('filter')) checkFilter(given.filter);
  for (const name of ['fingerprint', 'topic']) if (names.includes(name)) checkText(name, given[name]);
};

/** The selected letters, one after the other; `entry` is undefined for an id that is not there. */
export async function* selected(
  shelf: Shelf,
  { ids, filter, fingerprint, topic }: Selection,
  run: string | undefined,
): AsyncGenerator<{ readonly id: string; readonly entry: LogEntry | undefined }, void> {
  const fits = (entry: LogEntry): boolean => {
    if (run !== undefined && runsOf(entry.notes).includes(run)) return false;
    const letter = shelf.letter(entry);
    return (
      (!filter || passes(filter, letter)) &&
      (fingerprint === undefined || letter.fingerprint === fingerprint) &&
      isOf(topic, letter.topic, letter.dlqTopic)
    );
  };
  if (ids) {
    const unique = [...new Set(ids)];
    const entries = await entriesOf(shelf, unique);
    for (const [index, entry] of entries.entries())
      if (!entry || fits(entry)) yield { id: unique[index] as string, entry };
    return;
  }
  for await (const entry of shelf.walk({ topic: topic ?? filter?.topic }))
    if (fits(entry)) yield { id: idOf(entry), entry };
}
