import { randomUUID } from 'node:crypto';
import { type Awaitable, type Codec, createEnvelope, EventsError, type LogEntry } from '@logistically/events-kernel';
import type { Audit, AuditKind } from './audit.ts';
import type { DeadLetter } from './letter.ts';
import { redriveNotesOf } from './notes.ts';
import { paceOf } from './pace.ts';
import { recipientsOf } from './recipient.ts';
import { type Selection, selected } from './selection.ts';
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

/** What is put in place of a letter's own. Headers are added to those that it has. */
export interface Edit {
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
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
  /** Sends again also what has been sent `maxRedrives` times. Default false. */
  readonly force?: boolean;
}

export type RemovalOutcome = 'redriven' | 'purged' | 'gone' | 'refused' | 'failed';

export interface Counts {
  readonly redriven: number;
  readonly purged: number;
  /** Not there any more: somebody else was faster. */
  readonly gone: number;
  /** Still there: the loop guard, `edit` or `validate` said no, or there is no such group any more. */
  readonly refused: number;
  /** Still there: the broker did not do it. */
  readonly failed: number;
}

export interface RemovalReport extends Counts {
  readonly dryRun: boolean;
  /** True when the signal, or a stop of the kernel, came before all was done. */
  readonly stopped: boolean;
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
  readonly act: (entry: LogEntry, letter: DeadLetter) => Promise<boolean>;
}

const misused = (what: string): EventsError => new EventsError('EVENTS_CONFIG', `kernel.dlq: ${what}.`);

const refused = (why: string, cause?: unknown): EventsError =>
  new EventsError('EVENTS_DLQ_REFUSED', `The dead letter stays where it is: ${why}.`, { cause });

const isRefusal = (reason: unknown): boolean =>
  (reason as { code?: unknown } | undefined)?.code === 'EVENTS_DLQ_REFUSED';

/** Takes letters off the shelf, one after the other, each in one atomic step. */
export class Remover {
  readonly #shelf: Shelf;
  readonly #codec: Codec;
  readonly #audit: Audit;
  readonly #signal: () => AbortSignal;

  constructor(shelf: Shelf, codec: Codec, audit: Audit, signal: () => AbortSignal) {
    this.#shelf = shelf;
    this.#codec = codec;
    this.#audit = audit;
    this.#signal = signal;
  }

  purge(options: PurgeOptions): Promise<RemovalReport> {
    const { dryRun = false } = options;
    const act = async (entry: LogEntry): Promise<boolean> => dryRun || this.#shelf.handoff.remove(entry);
    return this.#remove({ kind: 'purged', options, act });
  }

  redrive(options: RedriveOptions): Promise<RemovalReport> {
    const { dryRun = false, edit, validate, perSecond, maxRedrives = 3, force = false, to = 'group' } = options;
    if (perSecond !== undefined && !(perSecond > 0)) throw misused('`perSecond` must be a number above 0');
    if (to !== 'group' && to !== 'all') throw misused("`to` is 'group' or 'all'");
    const run = randomUUID();
    const hasRecipient = recipientsOf(this.#shelf);
    const act = async (entry: LogEntry, letter: DeadLetter): Promise<boolean> => {
      if (letter.redrives >= maxRedrives && !force)
        throw refused(
          `it was sent again ${letter.redrives} times already (maxRedrives); \`force\` sends it all the same`,
        );
      if (to === 'group' && !(await hasRecipient(letter)))
        throw refused(
          `there is no group ${letter.group} in ${letter.topic} any more; \`to: 'all'\` sends it to those there are`,
        );
      const edited = edit && (await this.#edited(letter, edit));
      if (validate) await this.#check(edited ?? letter, validate);
      if (dryRun) return true;
      const notes = redriveNotesOf(entry.notes, run, to === 'group' ? letter.group : undefined);
      return this.#shelf.handoff.moveEntry(entry, letter.topic, notes, edited?.payload);
    };
    return this.#remove({ kind: 'redriven', options, perSecond: dryRun ? undefined : perSecond, run, act });
  }

  async #edited(letter: DeadLetter, edit: NonNullable<RedriveOptions['edit']>): Promise<DeadLetter | undefined> {
    try {
      const changes = await edit(letter);
      if (!changes) return undefined;
      if (!letter.envelope) throw refused('it is no event, which `edit` could change');
      const { header, body } = letter.envelope;
      const headers = changes.headers ? { ...header.headers, ...changes.headers } : header.headers;
      const fields = { ...header, ...(headers && { headers }) };
      const envelope = createEnvelope(fields, 'body' in changes ? changes.body : body);
      return { ...letter, envelope, payload: this.#codec.encode(envelope) };
    } catch (thrown) {
      throw isRefusal(thrown) ? thrown : refused('`edit` failed', thrown);
    }
  }

  async #check(letter: DeadLetter, validate: NonNullable<RedriveOptions['validate']>): Promise<void> {
    let valid: boolean;
    try {
      valid = await validate(letter);
    } catch (thrown) {
      throw refused('`validate` failed', thrown);
    }
    if (!valid) throw refused('`validate` said no');
  }

  async #remove({ kind, options, perSecond, run, act }: Removal): Promise<RemovalReport> {
    const { dryRun = false, by, limit, onProgress } = options;
    if (limit !== undefined && !(Number.isInteger(limit) && limit > 0))
      throw misused('`limit` must be a whole number from 1 on');
    const counts = { redriven: 0, purged: 0, gone: 0, refused: 0, failed: 0 };
    const outcomes: { id: string; outcome: RemovalOutcome; reason?: unknown }[] = [];
    let undone = 0;
    const trail = dryRun ? undefined : this.#audit.begin(kind, options, by);
    const signal = options.signal ? AbortSignal.any([this.#signal(), options.signal]) : this.#signal();
    const pace = paceOf(perSecond, signal);
    let [stopped, isDone] = [false, false];
    try {
      for await (const { id, entry } of selected(this.#shelf, options, run)) {
        // Before the next and not after each: nothing waits behind the last.
        if (isDone) await pace();
        stopped = signal.aborted;
        if (stopped) break;
        const outcome = await this.#outcome(kind, entry, act);
        isDone = outcome.outcome === kind;
        counts[outcome.outcome]++;
        if (isDone) await trail?.add(id);
        else undone++;
        if (isDone ? dryRun && counts[kind] <= MAX_OUTCOMES : undone <= MAX_OUTCOMES) outcomes.push({ id, ...outcome });
        onProgress?.({ ...counts });
        if (isDone && counts[kind] === limit) break;
      }
    } catch (thrown) {
      // After a stop the transport may be closed before the next page is read.
      stopped = signal.aborted;
      if (!stopped && counts[kind] > 0) await trail?.end(counts);
      if (!stopped) throw thrown;
    }
    await trail?.end(counts);
    return { ...counts, dryRun, stopped, outcomes };
  }

  async #outcome(
    kind: AuditKind,
    entry: LogEntry | undefined,
    act: Removal['act'],
  ): Promise<{ outcome: RemovalOutcome; reason?: unknown }> {
    if (!entry) return { outcome: 'gone' };
    try {
      return { outcome: (await act(entry, this.#shelf.letter(entry))) ? kind : 'gone' };
    } catch (reason) {
      return { outcome: isRefusal(reason) ? 'refused' : 'failed', reason };
    }
  }
}
