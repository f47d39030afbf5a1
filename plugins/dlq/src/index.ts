export { type DlqApi, dlq } from './dlq.ts';
export type { Edit } from './edit.ts';
export type { LetterFilter } from './filter.ts';
export type { DeadLetter } from './letter.ts';
export type { DlqStats, LetterPage, ListOptions } from './listing.ts';
export type { Classify, DlqOptions, PoisonMetadata, Retention } from './options.ts';
export type {
  Counts,
  PurgeOptions,
  RedriveOptions,
  RemovalOutcome,
  RemovalReport,
} from './removal.ts';
export type { Selection } from './selection.ts';
export type { DlqNeeds } from './shelf.ts';
