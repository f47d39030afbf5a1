import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Awaitable, type Codec, createEnvelope, EventsError, type LogEntry } from '@logistically/events-kernel';
import type { Audit, AuditKind } from './audit.ts';
import { type DeadLetter, idOf } from './letter.ts';
import { redriveNotesOf } from './notes.ts';
import { type LetterFilter, passes, type Shelf } from './shelf.ts';

/** Which letters. What is given has to hold together; `filter: {}` means all. */
export interface Selection {
  readonly ids?: readonly string[];
  readonly filter?: LetterFilter;
  readonly fingerprint?: string;
  /** The topic that they come from. */
  readonly topic?: string;
}

export interface PurgeOptions extends Selection {
  /** Tells what would be done, and does nothing. Default false. */
  readonly dryRun?: boolean;
  /** Who wants it, for the audit trail. */
  readonly by?: string;
}

/** What is put in place of a letter's own. Headers are added to those that it has. */
export interface Edit {
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface RedriveOptions extends PurgeOptions {
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
  readonly onProgress?: (progress: Counts) => void;
}

export type RemovalOutcome = 'redriven' | 'purged' | 'gone' | 'refused' | 'failed';

export interface Counts {
  readonly redriven: number;
  readonly purged: number;
  /** Not there any more: somebody else was faster. */
  readonly gone: number;
  /** Still there: the loop guard, `edit` or `validate` said no. */
  readonly refused: number;
  /** Still there: the broker did not do it. */
  readonly failed: number;
}

export interface RemovalReport extends Counts {
  readonly dryRun: boolean;
  /** True when the kernel was stopped before all was done. */
  readonly stopped: boolean;
  readonly outcomes: readonly { readonly id: string; readonly outcome: RemovalOutcome; readonly reason?: unknown }[];
}

interface Removal {
  readonly kind: AuditKind;
  readonly options: PurgeOptions;
  readonly perSecond?: number | undefined;
  readonly onProgress?: ((progress: Counts) => void) | undefined;
  /** Letters that this very run has brought back are not taken again. */
  readonly run?: string;
  readonly act: (entry: LogEntry, letter: DeadLetter) => Promise<boolean>;
}

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
    const { dryRun = false, edit, validate, perSecond, maxRedrives = 3, force = false, onProgress } = options;
    if (perSecond !== undefined && !(perSecond > 0))
      throw new EventsError('EVENTS_CONFIG', 'redrive: `perSecond` must be a number above 0.');
    const run = randomUUID();
    const act = async (entry: LogEntry, letter: DeadLetter): Promise<boolean> => {
      if (letter.redrives >= maxRedrives && !force)
        throw refused(
          `it was sent again ${letter.redrives} times already (maxRedrives); \`force\` sends it all the same`,
        );
      const edited = edit && (await this.#edited(letter, edit));
      if (validate) await this.#check(edited ?? letter, validate);
      if (dryRun) return true;
      return this.#shelf.handoff.moveEntry(entry, letter.topic, redriveNotesOf(entry.notes, run), edited?.payload);
    };
    return this.#remove({ kind: 'redriven', options, perSecond, onProgress, run, act });
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

  async #remove({ kind, options, perSecond, onProgress, run, act }: Removal): Promise<RemovalReport> {
    const { dryRun = false, by } = options;
    const counts = { redriven: 0, purged: 0, gone: 0, refused: 0, failed: 0 };
    const outcomes: { id: string; outcome: RemovalOutcome; reason?: unknown }[] = [];
    const trail = dryRun ? undefined : this.#audit.begin(kind, options, by);
    const signal = this.#signal();
    const begin = Date.now();
    for await (const { id, entry } of this.#selected(options, run)) {
      if (signal.aborted) break;
      const outcome = await this.#outcome(kind, entry, act);
      counts[outcome.outcome]++;
      outcomes.push({ id, ...outcome });
      if (outcome.outcome === kind) await trail?.add(id);
      onProgress?.({ ...counts });
      if (perSecond !== undefined) {
        const waitMs = begin + (outcomes.length * 1000) / perSecond - Date.now();
        if (waitMs > 0) await sleep(waitMs, undefined, { signal }).catch(() => {});
      }
    }
    await trail?.end(counts);
    return { ...counts, dryRun, stopped: signal.aborted, outcomes };
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

  async *#selected({ ids, filter, fingerprint, topic }: Selection, run: string | undefined) {
    if (!ids && !filter && fingerprint === undefined && topic === undefined)
      throw new EventsError(
        'EVENTS_DLQ_SELECTION',
        'Say which dead letters: `ids`, `filter`, `fingerprint` or `topic`; `filter: {}` means all.',
      );
    const fits = (entry: LogEntry): boolean => {
      if (run !== undefined && entry.notes?.redriveRun === run) return false;
      const letter = this.#shelf.letter(entry);
      return (
        (!filter || passes(filter, letter)) &&
        (fingerprint === undefined || letter.fingerprint === fingerprint) &&
        (topic === undefined || letter.topic === topic)
      );
    };
    if (ids) {
      const unique = [...new Set(ids)];
      const entries = await this.#shelf.entries(unique);
      for (const [index, entry] of entries.entries())
        if (!entry || fits(entry)) yield { id: unique[index] as string, entry };
      return;
    }
    for await (const entry of this.#shelf.walk({ topic: topic ?? filter?.topic }))
      if (fits(entry)) yield { id: idOf(entry), entry };
  }
}
