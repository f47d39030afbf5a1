import { EventsError, type LogEntry } from '@logistically/events-kernel';
import { idOf } from './letter.ts';
import { entriesOf } from './lookup.ts';
import { type LetterFilter, passes, type Shelf } from './shelf.ts';

/** Which letters. What is given has to hold together; `filter: {}` means all. */
export interface Selection {
  readonly ids?: readonly string[];
  readonly filter?: LetterFilter;
  readonly fingerprint?: string;
  /** The topic that they come from. */
  readonly topic?: string;
}

/** The selected letters, one after the other; `entry` is undefined for an id that is not there. Rejects with `EVENTS_DLQ_SELECTION`. */
export async function* selected(
  shelf: Shelf,
  { ids, filter, fingerprint, topic }: Selection,
  run: string | undefined,
): AsyncGenerator<{ readonly id: string; readonly entry: LogEntry | undefined }, void> {
  if (!ids && !filter && fingerprint === undefined && topic === undefined)
    throw new EventsError(
      'EVENTS_DLQ_SELECTION',
      'Say which dead letters: `ids`, `filter`, `fingerprint` or `topic`; `filter: {}` means all.',
    );
  const fits = (entry: LogEntry): boolean => {
    if (run !== undefined && entry.notes?.redriveRun === run) return false;
    const letter = shelf.letter(entry);
    return (
      (!filter || passes(filter, letter)) &&
      (fingerprint === undefined || letter.fingerprint === fingerprint) &&
      (topic === undefined || letter.topic === topic)
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
