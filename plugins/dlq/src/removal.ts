import { randomUUID } from 'node:crypto';
import type { Awaitable, Codec, LogEntry } from '@logistically/events-kernel';
import type { Audit, AuditKind } from './audit.ts';
import { type Edit, edited, isRefusal, refused, validated } from './edit.ts';
import { misused } from './filter.ts';
import type { DeadLetter } from './letter.ts';
import { redriveNotesOf } from './notes.ts';
import { isOutage } from './outage.ts';
import { paceOf } from './pace.ts';
import { absenceOf } from './recipient.ts';
import { checkSelection, type Selection, selected } from './selection.ts';
import type { Shelf } from './shelf.ts';

/** How many outcomes of a kind a report tells one by one. */
const MAX_OUTCOMES = 1000;

export interface PurgeOptions extends Selection {
  /** Tells what would be done, and does nothing. Default false. */
  readonly dryRun?: boolean;
  /** Who wants it, for the audit trail. */
  readonly by?: string;
  /** It is enough when this many are done. Default: no limit. */
  readonly limit?: number;
  /** Ends it after the letter that is being dealt with. */
  readonly signal?: AbortSignal;
  /** Called after each letter. */
  readonly onProgress?: (progress: Counts) => void;
}

export interface RedriveOptions extends PurgeOptions {
  /** Who gets it: the group that could not handle it, or every group of its topic. Default `'group'`. */
  readonly to?: 'group' | 'all';
  /** Changes an event before it is sent again. The id stays. */
  readonly edit?: (letter: DeadLetter) => Awaitable<Edit | undefined>;
  /** `false`, or a throw: the letter stays. Called with what `edit` made of it. */
  readonly validate?: (letter: DeadLetter) => Awaitable<boolean>;
  /** How many a second at most. Default: no limit. */
  readonly perSecond?: number;
  /** How often one event is sent again before that is refused. Default 3. */
  readonly maxRedrives?: number;
  /** Sends again also what has been sent `maxRedrives` times, and to a group that nobody reads now. Default false. */
  readonly force?: boolean;
}

export type RemovalOutcome = 'redriven' | 'purged' | 'gone' | 'refused' | 'failed' | 'unknown';

export interface Counts {
  readonly redriven: number;
  readonly purged: number;
  /** Not there any more: somebody else was faster. */
  readonly gone: number;
  /** Still there: the loop guard, `edit` or `validate` said no, or nobody reads its group. */
  readonly refused: number;
  /** Still there: the broker did not do it. */
  readonly failed: number;
  /** Done or still there: the broker was asked, and gave no answer. It ends the run, so there is one at most. */
  readonly unknown: number;
}

export interface RemovalReport extends Counts {
  readonly dryRun: boolean;
  /** True when the signal, a stop of the kernel, or an outage of the broker came before all was done. */
  readonly stopped: boolean;
  /** How the broker went silent, where that has ended it. */
  readonly reason?: unknown;
  /**
   * What was not done, and why: the first 1000. In a dry run also what would be done, the first 1000. The counts are of all.
   */
  readonly outcomes: readonly { readonly id: string; readonly outcome: RemovalOutcome; readonly reason?: unknown }[];
}

interface Removal {
  readonly kind: AuditKind;
  readonly options: PurgeOptions;
  readonly perSecond?: number | undefined;
  /** Letters that this very run has brought back are not taken again. */
  readonly run?: string;
  /** Does all that can be refused; what it gives is the one step that takes the letter. */
  readonly prepare: (entry: LogEntry, letter: DeadLetter) => Awaitable<() => Awaitable<boolean>>;
}

interface Outcome {
  readonly outcome: RemovalOutcome;
  readonly reason?: unknown;
}

const PURGE: readonly string[] = ['dryRun', 'by', 'limit', 'signal', 'onProgress'] satisfies (keyof PurgeOptions)[];
const REDRIVE: readonly string[] = [
  ...PURGE,
  ...(['to', 'edit', 'validate', 'perSecond', 'maxRedrives', 'force'] satisfies (keyof RedriveOptions)[]),
];
const KINDS = {
  dryRun: 'boolean',
  force: 'boolean',
  by: 'string',
  onProgress: 'function',
  edit: 'function',
  validate: 'function',
} as const satisfies { readonly [K in keyof RedriveOptions]?: string };

/** Throws `EVENTS_DLQ_SELECTION` and `EVENTS_CONFIG`. */
const check = (options: RedriveOptions, names: readonly string[]): void => {
  checkSelection(options, names);
  const { perSecond, maxRedrives, to, limit } = options;
  for (const [name, kind] of Object.entries(KINDS)) {
    const value = options[name as keyof typeof KINDS];
    if (value !== undefined && typeof value !== kind) throw misused(`\`${name}\` must be a ${kind}`);
  }
  if (limit !== undefined && !(Number.isInteger(limit) && limit > 0))
    throw misused('`limit` must be a whole number from 1 on');
  if (perSecond !== undefined && !(typeof perSecond === 'number' && perSecond > 0))
    throw misused('`perSecond` must be a number above 0');
  if (maxRedrives !== undefined && !(Number.isInteger(maxRedrives) && maxRedrives >= 0))
    throw misused('`maxRedrives` must be a whole number from 0 on');
  if (to !== undefined && to !== 'group' && to !== 'all') throw misused("`to` is 'group' or 'all'");
};

/** Takes letters off the shelf, one after the other, each in one atomic step. */
export class Remover {
  readonly #shelf: Shelf;
  readonly #codec: Codec;
  readonly #audit: Audit;
  readonly #signal: () => AbortSignal;
  readonly #running = new Set<Promise<RemovalReport>>();

  constructor(shelf: Shelf, codec: Codec, audit: Audit, signal: () => AbortSignal) {
    this.#shelf = shelf;
    this.#codec = codec;
    this.#audit = audit;
    this.#signal = signal;
  }

  /** Resolves when nothing is under way any more. */
  async ended(): Promise<void> {
    await Promise.allSettled(this.#running);
  }

  purge(options: PurgeOptions): Promise<RemovalReport> {
    check(options, PURGE);
    const { dryRun = false } = options;
    const prepare = (entry: LogEntry) => () => dryRun || this.#shelf.handoff.remove(entry);
    return this.#run({ kind: 'purged', options, prepare });
  }

  redrive(options: RedriveOptions): Promise<RemovalReport> {
    check(options, REDRIVE);
    const { dryRun = false, edit, validate, perSecond, maxRedrives = 3, force = false, to = 'group' } = options;
    const run = randomUUID();
    const absence = absenceOf(this.#shelf);
    const prepare: Removal['prepare'] = async (entry, letter) => {
      if (letter.redrives >= maxRedrives && !force)
        throw refused(
          `it was sent again ${letter.redrives} times already (maxRedrives); \`force\` sends it all the same`,
        );
      const absent = to === 'group' && !force ? await absence(letter) : undefined;
      if (absent !== undefined) throw refused(absent);
      const changed = edit && (await edited(letter, edit, this.#codec));
      if (validate) await validated(changed ?? letter, validate);
      const notes = redriveNotesOf(entry.notes, run, to === 'group' ? letter.group : undefined);
      return () => dryRun || this.#shelf.handoff.moveEntry(entry, letter.topic, notes, changed?.payload);
    };
    return this.#run({ kind: 'redriven', options, perSecond: dryRun ? undefined : perSecond, run, prepare });
  }

  async #run(removal: Removal): Promise<RemovalReport> {
    const running = this.#remove(removal);
    this.#running.add(running);
    try {
      return await running;
    } finally {
      this.#running.delete(running);
    }
  }

  async #remove({ kind, options, perSecond, run, prepare }: Removal): Promise<RemovalReport> {
    const { dryRun = false, by, limit, onProgress } = options;
    const counts = { redriven: 0, purged: 0, gone: 0, refused: 0, failed: 0, unknown: 0 };
    const outcomes: (Outcome & { readonly id: string })[] = [];
    let undone = 0;
    const trail = dryRun ? undefined : this.#audit.begin(kind, options, by);
    const signal = options.signal ? AbortSignal.any([this.#signal(), options.signal]) : this.#signal();
    const pace = paceOf(perSecond, signal);
    let [stopped, isDone] = [false, false];
    let outage: Outcome | undefined;
    try {
      for await (const { id, entry } of selected(this.#shelf, options, run)) {
        // Before the next and not after each: nothing waits behind the last.
        if (isDone) await pace();
        stopped = signal.aborted;
        if (stopped) break;
        const outcome = await this.#outcome(kind, entry, prepare);
        isDone = outcome.outcome === kind;
        counts[outcome.outcome]++;
        if (isDone) await trail?.add(id);
        else undone++;
        if (isDone ? dryRun && counts[kind] <= MAX_OUTCOMES : undone <= MAX_OUTCOMES) outcomes.push({ id, ...outcome });
        onProgress?.({ ...counts });
        // The next one would fare no better, and each would wait for its time-out.
        if (isOutage(outcome.reason)) {
          outage = outcome;
          stopped = true;
          break;
        }
        if (isDone && counts[kind] === limit) break;
      }
    } catch (thrown) {
      // After a stop the transport may be closed before the next page is read.
      stopped = signal.aborted;
      if (!stopped && counts[kind] > 0) await trail?.end(counts);
      if (!stopped) throw thrown;
    }
    await trail?.end(counts);
    return { ...counts, dryRun, stopped, ...(outage && { reason: outage.reason }), outcomes };
  }

  async #outcome(kind: AuditKind, entry: LogEntry | undefined, prepare: Removal['prepare']): Promise<Outcome> {
    if (!entry) return { outcome: 'gone' };
    let isAsked = false;
    try {
      const take = await prepare(entry, this.#shelf.letter(entry));
      isAsked = true;
      return { outcome: (await take()) ? kind : 'gone' };
    } catch (reason) {
      if (isRefusal(reason)) return { outcome: 'refused', reason };
      return { outcome: isAsked && isOutage(reason) ? 'unknown' : 'failed', reason };
    }
  }
}
