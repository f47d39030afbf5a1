import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve as resolvePath } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { EventsError } from '@logistically/events-kernel';
import { Watchdog } from './watchdog.ts';

const NEXT_DEADLINE_MS = 15_000;

export interface WorkerExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A program that runs in a process of its own and reports by `process.send(message)`. */
export interface WorkerProcess extends AsyncDisposable {
  readonly pid: number;
  /** Every message so far, in the order of arrival. */
  readonly messages: readonly unknown[];
  /** Resolves when the process is gone and all its messages have arrived. */
  readonly exit: Promise<WorkerExit>;
  /**
   * The first message that satisfies the predicate (default: any) and was not handed out before, now or when it comes.
   * Rejects with `EVENTS_SERVICE_TIMEOUT` after `deadlineMs` (default 15 000), with `EVENTS_SERVICE_FAILED` when the
   * process ends without one.
   */
  next<Message = unknown>(predicate?: (message: Message) => boolean, deadlineMs?: number): Promise<Message>;
  /** The worker gets it by `process.on('message')`. Rejects with `EVENTS_SERVICE_FAILED` when it is gone. */
  send(message: object): Promise<void>;
  kill(signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT' | 'SIGTERM'): void;
  /** What the worker wrote to its standard output and error. */
  output(): string;
  /** Kills the worker and resolves when it is gone. May be called more than once. */
  stop(): Promise<void>;
}

interface Waiter {
  take(message: unknown): boolean;
  fail(error: EventsError): void;
}

const pathOf = (file: URL | string): string =>
  String(file).startsWith('file:') ? fileURLToPath(file) : resolvePath(String(file));

const loaderFor = (path: string): string[] => {
  if (!/\.[cm]?tsx?$/.test(path)) return [];
  try {
    // From the place of the program: tsx is a tool of the project that the program belongs to.
    return ['--import', pathToFileURL(createRequire(path).resolve('tsx')).href];
  } catch (cause) {
    throw new EventsError('EVENTS_SERVICE_UNAVAILABLE', `The worker ${path} needs the package tsx. Install it.`, {
      cause,
    });
  }
};

/**
 * Runs a TypeScript (by tsx) or JavaScript file in a process of its own, which never outlives the current one. `env` is
 * added to the environment of the current process. Throws `EVENTS_SERVICE_UNAVAILABLE` when a TypeScript file's project
 * has no tsx.
 */
export const spawnWorker = (
  file: URL | string,
  args: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): WorkerProcess => {
  const path = pathOf(file);
  const loader = loaderFor(path);
  const watchdog = new Watchdog('worker');
  const logFile = join(watchdog.directory, 'worker.log');
  const log = openSync(logFile, 'a');
  const child = spawn(process.execPath, [...loader, path, ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', log, log, 'ipc'],
  });
  closeSync(log);
  watchdog.watch(child.pid);

  const messages: unknown[] = [];
  const unclaimed: unknown[] = [];
  const waiters = new Set<Waiter>();
  let output: string | undefined;
  let gone = false;

  const readOutput = (): string => output ?? readFileSync(logFile, 'utf8');
  const error = (code: 'TIMEOUT' | 'FAILED', what: string): EventsError =>
    new EventsError(
      `EVENTS_SERVICE_${code}`,
      `The worker ${path} ${what}. Its output ends with: ${readOutput().trim().slice(-1000) || '(empty)'}`,
    );

  child.on('message', (message) => {
    messages.push(message);
    for (const waiter of waiters) if (waiter.take(message)) return;
    unclaimed.push(message);
  });

  const exit = new Promise<WorkerExit>((resolve) => {
    const finish = async (code: number | null, signal: NodeJS.Signals | null): Promise<void> => {
      gone = true;
      for (const waiter of waiters)
        waiter.fail(error('FAILED', `ended (${signal ?? code}) before it sent what was waited for`));
      output = readOutput();
      watchdog.watch(undefined);
      await watchdog.close();
      resolve({ code, signal });
    };
    child.once('exit', (code, signal) => {
      // What the worker sent before it died may still be on its way.
      if (child.connected) child.once('disconnect', () => finish(code, signal));
      else finish(code, signal);
    });
  });
  const stop = async (): Promise<void> => {
    child.kill('SIGKILL');
    await exit;
  };

  return {
    pid: child.pid ?? 0,
    messages,
    exit,
    next<Message>(predicate: (message: Message) => boolean = () => true, deadlineMs = NEXT_DEADLINE_MS) {
      const index = unclaimed.findIndex((message) => predicate(message as Message));
      if (index !== -1) return Promise.resolve(unclaimed.splice(index, 1)[0] as Message);
      if (gone) return Promise.reject(error('FAILED', 'ended before it sent what was waited for'));
      return new Promise<Message>((resolve, reject) => {
        const done = (settle: () => void): void => {
          clearTimeout(timer);
          waiters.delete(waiter);
          settle();
        };
        const waiter: Waiter = {
          take(message) {
            const taken = predicate(message as Message);
            if (taken) done(() => resolve(message as Message));
            return taken;
          },
          fail: (reason) => done(() => reject(reason)),
        };
        const timer = setTimeout(
          () => waiter.fail(error('TIMEOUT', `did not send what was waited for within ${deadlineMs} ms`)),
          deadlineMs,
        );
        waiters.add(waiter);
      });
    },
    send: (message) =>
      new Promise((resolve, reject) => {
        child.send(message, (cause) =>
          cause === null ? resolve() : reject(error('FAILED', 'ended before it was sent a message')),
        );
      }),
    kill: (signal) => void child.kill(signal),
    output: readOutput,
    stop,
    [Symbol.asyncDispose]: stop,
  };
};
