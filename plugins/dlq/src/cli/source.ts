import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { EventsError, type Transport } from '@logistically/events-kernel';
import type { DlqNeeds } from '../shelf.ts';
import { concealed } from './secret.ts';

/** Where dead letters are: a Redis, or what a module reaches. */
export type Source =
  | { readonly url: string; readonly prefix?: string; readonly partitions?: number }
  | { readonly module: string };

/** Not an import: who uses another broker needs no Redis client. */
const REDIS_STREAMS = '@logistically/events-redis-streams';
/** The streams of partitions that do not exist are empty, and cost next to nothing. */
const PARTITIONS = 64;

type Module = Readonly<Record<string, unknown>>;

const refuse = (message: string, cause?: unknown): EventsError =>
  new EventsError('EVENTS_CONFIG', message, cause === undefined ? {} : { cause });

const codeOf = (thrown: unknown): unknown => (thrown as { code?: unknown } | undefined)?.code;

const messageOf = (thrown: unknown): string => (thrown instanceof Error ? thrown.message : String(thrown));

/** The user's own copy first: it fits the services. */
const locate = (name: string): string | undefined => {
  try {
    return pathToFileURL(createRequire(join(process.cwd(), '/')).resolve(name)).href;
  } catch {}
  try {
    return import.meta.resolve(name);
  } catch {
    return undefined;
  }
};

/** Imports a file. Where Node does not read TypeScript by itself, the tsx of the file's own project helps. */
const importFile = async (path: string): Promise<Module> => {
  const { href } = pathToFileURL(path);
  try {
    return await import(href);
  } catch (thrown) {
    if (codeOf(thrown) !== 'ERR_UNKNOWN_FILE_EXTENSION') throw thrown;
    let tsx: string;
    try {
      tsx = createRequire(path).resolve('tsx');
    } catch {
      throw refuse(
        `Node ${process.versions.node} reads no TypeScript: install tsx beside it, or use Node 22.18 or newer`,
      );
    }
    // Loading it is what teaches Node to read TypeScript.
    await import(pathToFileURL(tsx).href);
    // Node remembers what it could not load under the plain address.
    return import(`${href}?tsx`);
  }
};

const fromModule = async (file: string): Promise<unknown> => {
  let loaded: Module;
  try {
    loaded = await importFile(resolve(file));
  } catch (thrown) {
    throw refuse(`${file} cannot be loaded: ${messageOf(thrown)}.`, thrown);
  }
  const factory = loaded.default ?? loaded.createTransport;
  const made = typeof factory === 'function' ? await factory() : undefined;
  if ((Object(made) as Partial<Transport>).kind !== 'transport')
    throw refuse(`${file} offers no transport: export a function that makes it, as default or as \`createTransport\`.`);
  return made;
};

const fromUrl = async ({ url, ...options }: Extract<Source, { readonly url: string }>): Promise<unknown> => {
  const protocol = URL.canParse(url) ? new URL(url).protocol : undefined;
  if (protocol !== 'redis:' && protocol !== 'rediss:')
    throw refuse('The URL is none of Redis, as redis://host:6379 is. For another broker give --transport <module>.');
  const address = locate(REDIS_STREAMS);
  if (address === undefined)
    throw refuse(`The transport for Redis is not installed here: npm install ${REDIS_STREAMS} ioredis`);
  let loaded: Module;
  try {
    loaded = await import(address);
  } catch (thrown) {
    throw refuse(`${REDIS_STREAMS} cannot be loaded: ${messageOf(thrown)}. Try: npm install ${REDIS_STREAMS} ioredis`);
  }
  const { redisStreams } = loaded as { readonly redisStreams: (options: object) => unknown };
  try {
    return redisStreams({ url, partitions: PARTITIONS, ...options });
  } catch (thrown) {
    throw refuse(concealed(messageOf(thrown), url));
  }
};

/** Makes the transport. Throws `EVENTS_CONFIG` with what to do. */
export const transportOf = async (source: Source): Promise<Transport<DlqNeeds>> =>
  (await ('url' in source ? fromUrl(source) : fromModule(source.module))) as Transport<DlqNeeds>;
