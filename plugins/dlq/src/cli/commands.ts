import { EventsError } from '@logistically/events-kernel';
import type { DlqApi } from '../dlq.ts';
import type { Counts, PurgeOptions, RedriveOptions, RemovalReport } from '../removal.ts';
import { isConfirmed } from './confirmation.ts';
import { Progress, sumOf } from './progress.ts';
import type { Command, Request } from './request.ts';
import {
  json,
  letterJson,
  lettersView,
  letterView,
  reportJson,
  reportView,
  type Summary,
  statsView,
  summaryOf,
} from './view.ts';

/** What a command has to say, and how it ends. */
export interface Result {
  readonly out: string;
  readonly code: 0 | 1;
  /** Why it ended early. */
  readonly problem?: unknown;
}

type Run = (dlq: DlqApi['dlq'], request: Request, signal: AbortSignal) => Promise<Result>;

const DEFAULT_LIMIT = 100;
const PAGE = 1000;

/** Of the terminal, in characters; what goes elsewhere is not cut. */
const width = (): number => (process.stdout.isTTY ? process.stdout.columns || 80 : Infinity);

const list: Run = async (dlq, { filter, limit = DEFAULT_LIMIT, after, json: asJson }) => {
  const letters: Summary[] = [];
  let next = after;
  do {
    const page = {
      ...filter,
      limit: Math.min(limit - letters.length, PAGE),
      ...(next !== undefined && { after: next }),
    };
    const found = await dlq.list(page);
    letters.push(...found.letters.map(summaryOf));
    next = found.next;
  } while (next !== undefined && letters.length < limit);
  return { out: asJson ? json({ letters, next }) : lettersView(letters, next, width()), code: 0 };
};

const show: Run = async (dlq, { ids, payload, json: asJson }) => {
  const letter = await dlq.get(ids[0] as string);
  if (!letter) return { out: '', code: 1, problem: new EventsError('EVENTS_DLQ_ID', 'There is no such dead letter.') };
  return { out: asJson ? letterJson(letter, payload) : letterView(letter, payload), code: 0 };
};

const stats: Run = async (dlq, { filter: { topic }, json: asJson }) => {
  const counted = await dlq.stats(topic);
  return { out: asJson ? json(counted) : statsView(counted, width()), code: 0 };
};

const optionsOf = ({ ids, filter, limit, dryRun, by }: Request, signal: AbortSignal): PurgeOptions => ({
  ...(ids.length > 0 && { ids }),
  filter,
  ...(limit !== undefined && { limit }),
  dryRun,
  by,
  signal,
});

/** Runs a redrive or purge: counts first where somebody watches, tells how far it is, and what came of it. */
const remove = async <Options extends PurgeOptions>(
  kind: 'redriven' | 'purged',
  act: (options: Options) => Promise<RemovalReport>,
  options: Options,
  { ids, json: asJson, dryRun }: Request,
  total?: number,
): Promise<Result> => {
  const isWatched = !asJson && !dryRun;
  const count = isWatched ? (total ?? sumOf(await act({ ...options, dryRun: true }))) : undefined;
  const progress = asJson ? undefined : new Progress(process.stderr, count);
  let counts: Counts = { redriven: 0, purged: 0, gone: 0, refused: 0, failed: 0, unknown: 0 };
  const onProgress = (now: Counts): void => {
    counts = now;
    progress?.update(now);
  };
  let report: RemovalReport;
  let problem: unknown;
  try {
    report = await act({ ...options, onProgress });
  } catch (thrown) {
    // Nothing was touched: the caller tells.
    if (Object.values(counts).every((each) => each === 0)) throw thrown;
    problem = thrown;
    report = { ...counts, dryRun, stopped: true, outcomes: [] };
  } finally {
    progress?.end();
  }
  problem ??= report.reason;
  const { gone, refused, failed } = report;
  // What somebody named and is not there may be a mistake; what a filter no longer finds, somebody else has done.
  const isShort = refused + failed > 0 || (ids.length > 0 && gone > 0);
  return {
    out: asJson ? reportJson(report) : reportView(report, kind),
    code: isShort || problem !== undefined ? 1 : 0,
    problem,
  };
};

const redrive: Run = (dlq, request, signal) => {
  const { perSecond, maxRedrives, force, to } = request;
  const options: RedriveOptions = {
    ...optionsOf(request, signal),
    ...(perSecond !== undefined && { perSecond }),
    ...(maxRedrives !== undefined && { maxRedrives }),
    force,
    to,
  };
  return remove('redriven', dlq.redrive, options, request);
};

const earlier = (one: Date, other: Date | undefined): Date => (other && other < one ? other : one);

const purge: Run = async (dlq, request, signal) => {
  const options = optionsOf(request, signal);
  if (request.yes || request.dryRun) return remove('purged', dlq.purge, options, request);
  const countedAt = new Date();
  const counted = await dlq.purge({ ...options, dryRun: true });
  const { purged: total, gone } = counted;
  if (total === 0) {
    const report = { ...counted, dryRun: false };
    const out = request.json ? reportJson(report) : reportView(report, 'purged');
    return { out, code: request.ids.length > 0 && gone > 0 ? 1 : 0 };
  }
  const question = `Remove ${total} dead letters for good? [y/N] `;
  if (!(await isConfirmed(question, process.stdin, process.stderr, signal)))
    return { out: 'Nothing was removed.', code: 1 };
  // What has come since then nobody has agreed to.
  const agreed = { limit: total, filter: { ...options.filter, to: earlier(countedAt, options.filter?.to) } };
  return remove('purged', dlq.purge, { ...options, ...agreed }, request, total);
};

export const commands: Readonly<Record<Command, Run>> = { list, show, stats, redrive, purge };
