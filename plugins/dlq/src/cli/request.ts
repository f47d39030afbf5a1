import { userInfo } from 'node:os';
import { parseArgs } from 'node:util';
import { EventsError } from '@logistically/events-kernel';
import type { LetterFilter } from '../filter.ts';
import type { Source } from './source.ts';

/** Environment variables that tell the URL; the first that is set counts. */
export const URL_VARIABLES = ['EVENTS_DLQ_URL', 'REDIS_URL'] as const;

const text = { type: 'string' } as const;
const texts = { type: 'string', multiple: true } as const;
const flag = { type: 'boolean' } as const;

const SOURCE = {
  url: text,
  prefix: text,
  partitions: text,
  transport: text,
  'dlq-prefix': text,
  service: text,
  json: flag,
} as const;
const FILTER = {
  topic: text,
  class: text,
  type: text,
  code: text,
  fingerprint: text,
  group: text,
  since: text,
  until: text,
} as const;
const REMOVAL = { ...FILTER, id: texts, all: flag, limit: text, 'dry-run': flag, by: text } as const;
const OPTIONS = {
  ...SOURCE,
  ...REMOVAL,
  after: text,
  payload: flag,
  to: text,
  'per-second': text,
  'max-redrives': text,
  force: flag,
  yes: flag,
  help: { type: 'boolean', short: 'h' },
} as const;

/** What each command takes: an option that would do nothing is refused, since somebody counts on it. */
const TAKES = {
  list: { ...FILTER, limit: text, after: text },
  show: { id: texts, payload: flag },
  stats: { topic: text },
  redrive: { ...REMOVAL, to: text, 'per-second': text, 'max-redrives': text, force: flag },
  purge: { ...REMOVAL, yes: flag },
} as const;

export type Command = keyof typeof TAKES;

/** What somebody wants, as the command line says it. */
export interface Request {
  readonly command: Command;
  readonly source: Source;
  readonly service: string;
  readonly dlqPrefix: string | undefined;
  readonly filter: LetterFilter;
  readonly ids: readonly string[];
  readonly limit: number | undefined;
  readonly after: string | undefined;
  readonly payload: boolean;
  readonly dryRun: boolean;
  readonly by: string;
  readonly perSecond: number | undefined;
  readonly maxRedrives: number | undefined;
  readonly force: boolean;
  readonly to: 'group' | 'all';
  readonly yes: boolean;
  readonly json: boolean;
}

const refuse = (message: string): never => {
  throw new EventsError('EVENTS_CONFIG', message);
};

const numberOf = (name: string, value: string | undefined, form = /^\d{1,15}$/): number | undefined => {
  if (value === undefined) return undefined;
  if (!form.test(value)) refuse(`--${name} takes a number, such as 10.`);
  return Number(value);
};

const timeOf = (name: string, value: string | undefined): Date | undefined => {
  if (value === undefined) return undefined;
  // A date alone would be taken for UTC, and a time for local.
  const time = new Date(/^\d{4}-\d\d-\d\d$/.test(value) ? `${value}T00:00` : value);
  if (!/^\d{4}-\d\d-\d\d/.test(value) || Number.isNaN(time.getTime()))
    refuse(`--${name} takes a time, such as 2026-01-31T04:00:00Z.`);
  return time;
};

/** Not every container has a user of this number. */
const userName = (): string => {
  try {
    return userInfo().username;
  } catch {
    return 'unknown';
  }
};

/** What is there of an object's properties. */
const given = <T extends object>(properties: T): { [K in keyof T]?: Exclude<T[K], undefined> } =>
  Object.fromEntries(Object.entries(properties).filter(([, value]) => value !== undefined)) as never;

/** `'help'`, or what is wanted. Throws `EVENTS_CONFIG`, and the `TypeError` of an option that is none. */
export const requestOf = (args: readonly string[], env: NodeJS.ProcessEnv): Request | 'help' => {
  const { values, positionals } = parseArgs({ args: [...args], allowPositionals: true, options: OPTIONS });
  if (values.help) return 'help';
  const [command, ...rest] = positionals;
  if (command === undefined || !Object.hasOwn(TAKES, command))
    return refuse(`Say what to do: ${Object.keys(TAKES).join(', ')}. --help tells more.`);
  const takes = { ...SOURCE, ...TAKES[command as Command] };
  for (const name of Object.keys(values))
    if (!Object.hasOwn(takes, name)) refuse(`${command} does not take --${name}. --help tells what it takes.`);
  const ids = [...(command === 'show' ? rest.splice(0, 1) : []), ...(values.id ?? [])];
  if (rest.length > 0) refuse(`${command} takes options only: there is a word too many.`);
  if (command === 'show' && ids.length !== 1) refuse('show takes one id, as list prints it.');

  const { to: recipient = 'group' } = values;
  if (recipient !== 'group' && recipient !== 'all') return refuse('--to takes `group` or `all`.');
  const { topic, class: of, type, code, fingerprint, group } = values;
  const [from, to] = [timeOf('since', values.since), timeOf('until', values.until)];
  const filter = given({ topic, class: of, type, code, fingerprint, group, from, to });
  if (command === 'redrive' || command === 'purge') {
    const isSelective = ids.length > 0 || Object.keys(filter).length > 0;
    if (!isSelective && !values.all) refuse(`Say which dead letters to ${command}, or --all.`);
    if (isSelective && values.all) refuse('--all and a selection contradict each other: give one of them.');
  }

  const url = values.url ?? URL_VARIABLES.map((name) => env[name]).find(Boolean);
  if (values.transport !== undefined)
    for (const name of ['url', 'prefix', 'partitions'] as const)
      if (values[name] !== undefined) refuse(`--transport and --${name} contradict each other: the module knows it.`);
  if (values.transport === undefined && !url)
    refuse(`Say where the dead letters are: ${URL_VARIABLES.join(', ')}, --url or --transport.`);
  const partitions = numberOf('partitions', values.partitions);
  const source: Source =
    values.transport === undefined
      ? { url: url as string, ...given({ prefix: values.prefix, partitions }) }
      : { module: values.transport };
  return {
    command: command as Command,
    source,
    service: values.service ?? 'events-dlq',
    dlqPrefix: values['dlq-prefix'],
    filter,
    ids,
    limit: numberOf('limit', values.limit, /^[1-9]\d{0,14}$/),
    after: values.after,
    payload: values.payload ?? false,
    dryRun: values['dry-run'] ?? false,
    by: values.by ?? userName(),
    perSecond: numberOf('per-second', values['per-second'], /^(?=.*[1-9])\d{1,9}(\.\d{1,6})?$/),
    maxRedrives: numberOf('max-redrives', values['max-redrives']),
    force: values.force ?? false,
    to: recipient,
    yes: values.yes ?? false,
    json: values.json ?? false,
  };
};
