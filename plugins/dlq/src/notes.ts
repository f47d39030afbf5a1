import type { Delivery, Envelope } from '@logistically/events-kernel';
import type { Failure } from './failure.ts';

/** What stands beside an entry. */
type Notes = Readonly<Record<string, string>>;

/** The topic that a topic derives from, or itself. */
export const homeOf = (topic: string): string => topic.split(':')[1] ?? topic;

/** How often an entry was sent again. */
export const redrivesOf = (notes: Notes | undefined): number => {
  const redrives = Number(notes?.redrives ?? 0);
  return Number.isInteger(redrives) && redrives > 0 ? redrives : 0;
};

/** The group that an entry was sent again for; undefined: for all. */
export const addresseeOf = (notes: Notes | undefined): string | undefined => notes?.redriveFor;

/** How many runs a letter remembers: of so many that redrive at once, none takes what another one has brought back. */
const MAX_RUNS = 8;

/** The latest runs that sent an entry again, newest first. */
export const runsOf = (notes: Notes | undefined): readonly string[] => notes?.redriveRun?.split(' ') ?? [];

/** What is written beside a dead letter. */
export const notesOf = (
  delivery: Delivery,
  consumer: string,
  envelope: Envelope | undefined,
  { name, message, code, fingerprint }: Failure,
  classOf: string,
  { firstFailedAt, failedAt }: { readonly firstFailedAt: string; readonly failedAt: string },
): Notes => ({
  topic: delivery.topic,
  partition: String(delivery.partition),
  cursor: delivery.cursor,
  group: delivery.group,
  consumer,
  ...(envelope && { type: envelope.header.type }),
  class: classOf,
  errorName: name,
  errorMessage: message,
  ...(code !== undefined && { errorCode: code }),
  fingerprint,
  attempts: String(delivery.attempt),
  firstFailedAt,
  failedAt,
  redrives: String(redrivesOf(delivery.notes)),
  ...(delivery.notes?.redriveRun && { redriveRun: delivery.notes.redriveRun }),
});

/** What goes with an event that is sent again, to a group or to all, so that its next dead letter counts on. */
export const redriveNotesOf = (notes: Notes | undefined, run: string, group: string | undefined): Notes => ({
  redrives: String(redrivesOf(notes) + 1),
  redriveRun: [run, ...runsOf(notes)].slice(0, MAX_RUNS).join(' '),
  ...(group !== undefined && { redriveFor: group }),
  ...(notes?.firstFailedAt && { firstFailedAt: notes.firstFailedAt }),
});
