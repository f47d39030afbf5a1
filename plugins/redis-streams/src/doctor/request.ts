import { parseArgs } from 'node:util';
import { EventsError } from '@logistically/events-kernel';
import { type AclOptions, FORMS, ROLES, type Role, TOPOLOGIES } from '../acl.ts';
import { type Target, targetOf } from './target.ts';

/** Environment variables that tell the URL; the first that is set counts. */
export const URL_VARIABLES = ['EVENTS_REDIS_STREAMS_URL', 'REDIS_URL'] as const;

const text = { type: 'string' } as const;
const flag = { type: 'boolean' } as const;
const LOOK = {
  prefix: text,
  partitions: text,
  'idle-ms': text,
  'timeout-ms': text,
  'tls-ca': text,
  'tls-cert': text,
  'tls-key': text,
  json: flag,
} as const;
const ACL = {
  acl: text,
  user: text,
  prefix: text,
  'server-version': text,
  topology: text,
  database: text,
  durability: flag,
  retention: flag,
} as const;
const OPTIONS = { ...LOOK, ...ACL, help: { type: 'boolean', short: 'h' } } as const;

/** What somebody wants, as the command line says it. */
export type Request =
  | { readonly kind: 'help' }
  | { readonly kind: 'acl'; readonly role: Role; readonly options: AclOptions }
  | {
      readonly kind: 'look';
      readonly url: string;
      readonly target: Target;
      readonly prefix: string;
      readonly partitions: number;
      readonly idleMs: number;
      readonly timeoutMs: number;
      readonly files: { readonly ca?: string; readonly cert?: string; readonly key?: string };
      readonly json: boolean;
    };

const refuse = (message: string): never => {
  throw new EventsError('EVENTS_CONFIG', message);
};

const numberOf = (name: string, value: string | undefined, otherwise: number, most: number): number => {
  if (value === undefined) return otherwise;
  const number = Number(value);
  if (!/^\d{1,10}$/.test(value) || number < 1 || number > most)
    refuse(`--${name} takes a whole number from 1 to ${most}.`);
  return number;
};

const oneOf = <T extends string>(name: string, value: string, known: readonly T[]): T =>
  known.includes(value as T) ? (value as T) : refuse(`--${name} takes ${known.join(', ')}.`);

const only = (values: object, allowed: object, what: string): void => {
  for (const name of Object.keys(values))
    if (!Object.hasOwn(allowed, name)) refuse(`--${name} ${what}. --help tells more.`);
};

const formed = (name: string, value: string, { form, takes }: (typeof FORMS)[keyof typeof FORMS]): string =>
  form.test(value) ? value : refuse(`--${name} takes ${takes}.`);

const filesOf = (ca?: string, cert?: string, key?: string): Extract<Request, { readonly kind: 'look' }>['files'] => {
  if ((cert === undefined) !== (key === undefined)) refuse('--tls-cert and --tls-key go together.');
  return { ...(ca !== undefined && { ca }), ...(cert !== undefined && key !== undefined && { cert, key }) };
};

/** Throws `EVENTS_CONFIG`, and the `TypeError` of an option that is none. */
export const requestOf = (args: readonly string[], env: NodeJS.ProcessEnv): Request => {
  const { values, positionals } = parseArgs({ args: [...args], allowPositionals: true, options: OPTIONS });
  if (values.help) return { kind: 'help' };
  const prefix = formed('prefix', values.prefix ?? 'events', FORMS.prefix);
  if (values.acl !== undefined) {
    only(values, ACL, 'does not go with --acl');
    const { user, topology, database, durability = false, retention = false } = values;
    const version = formed('server-version', values['server-version'] ?? '7.0', FORMS.version);
    if (positionals.length > 0) refuse('--acl looks at no server: leave the URL out.');
    const options = {
      ...{ prefix, version, durability, retention },
      ...(user !== undefined && { user: formed('user', user, FORMS.user) }),
      ...(topology !== undefined && { topology: oneOf('topology', topology, TOPOLOGIES) }),
      ...(database !== undefined && database !== '0' && { database: numberOf('database', database, 0, 99_999) }),
    };
    return { kind: 'acl', role: oneOf('acl', values.acl, ROLES), options };
  }
  only(values, LOOK, 'goes with --acl only');
  if (positionals.length > 1) refuse('Give one URL.');
  const url =
    positionals[0] ??
    URL_VARIABLES.map((name) => env[name]).find(Boolean) ??
    refuse(`Say where to look: ${URL_VARIABLES.join(' or ')} in the environment, or a URL. --help tells more.`);
  const target = targetOf(url);
  const files = filesOf(values['tls-ca'], values['tls-cert'], values['tls-key']);
  if (Object.keys(files).length > 0 && !target.isTls)
    refuse('--tls-ca, --tls-cert and --tls-key go with rediss:// or rediss+sentinel://.');
  return {
    kind: 'look',
    url,
    target,
    prefix,
    partitions: numberOf('partitions', values.partitions, 16, 1024),
    idleMs: numberOf('idle-ms', values['idle-ms'], 300_000, 4_000_000_000),
    timeoutMs: numberOf('timeout-ms', values['timeout-ms'], 5000, 600_000),
    files,
    json: values.json ?? false,
  };
};
