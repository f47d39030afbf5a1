import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { EventsError } from '@logistically/events-kernel';
import type { TransportFactory } from './handle.ts';
import type { CertifyOptions } from './options.ts';

/** What a module offers to be certified: a factory, and how to go about it. */
interface TransportModule {
  readonly factory: TransportFactory;
  readonly options: CertifyOptions;
}

const refuse = (message: string, cause?: unknown): EventsError =>
  new EventsError('EVENTS_CONFIG', message, cause === undefined ? {} : { cause });

const codeOf = (thrown: unknown): unknown => (thrown as { code?: unknown } | undefined)?.code;

/** Imports a module. Where Node does not read TypeScript by itself, the tsx of the module's own project helps. */
const importModule = async (path: string): Promise<Readonly<Record<string, unknown>>> => {
  const { href } = pathToFileURL(path);
  try {
    return await import(href);
  } catch (thrown) {
    if (codeOf(thrown) !== 'ERR_UNKNOWN_FILE_EXTENSION') throw thrown;
    let tsx: string;
    try {
      tsx = createRequire(path).resolve('tsx');
    } catch {
      throw thrown;
    }
    // Loading it is what teaches Node to read TypeScript.
    await import(pathToFileURL(tsx).href);
    // Node remembers what it could not load under the plain address.
    return import(`${href}?tsx`);
  }
};

/**
 * Loads a module whose default export, or `createTransport`, makes transports, and its `options`. Throws `EVENTS_CONFIG` with what
 * to do when it cannot be loaded or offers no factory.
 */
export const loadTransportModule = async (file: string): Promise<TransportModule> => {
  const path = resolve(file);
  let loaded: Readonly<Record<string, unknown>>;
  try {
    loaded = await importModule(path);
  } catch (thrown) {
    if (codeOf(thrown) === 'ERR_UNKNOWN_FILE_EXTENSION')
      throw refuse(
        `Node ${process.versions.node} cannot read ${file}: install tsx beside it, or use Node 22.18 or newer.`,
        thrown,
      );
    throw refuse(`${file} cannot be loaded: ${thrown instanceof Error ? thrown.message : String(thrown)}`, thrown);
  }
  const { default: byDefault, createTransport, options = {} } = loaded;
  const factory = byDefault ?? createTransport;
  if (typeof factory !== 'function')
    throw refuse(
      `${file} offers no factory: export a function that makes your transport, as default or as \`createTransport\`.`,
    );
  return { factory: factory as TransportFactory, options: options as CertifyOptions };
};
