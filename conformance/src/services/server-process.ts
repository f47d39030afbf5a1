import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { EventsError } from '@logistically/events-kernel';
import type { ServerControl } from './server-control.ts';
import { Watchdog } from './watchdog.ts';

const READY_DEADLINE_MS = 15_000;
const END_DEADLINE_MS = 10_000;
const LOG_TAIL_LINES = 5;

/** Whom a server runs as that refuses to be root's. */
export interface ServerUser {
  readonly uid: number;
  readonly gid: number;
}

interface ServerProcessOptions {
  /** Names the server in errors and the temporary directory. */
  readonly name: string;
  readonly command: string;
  /** The arguments, given the temporary directory in which the server runs and keeps its data. */
  readonly args: (directory: string) => readonly string[];
  /** Whether the server with this process id answers as it should. Asked again until it does. */
  readonly ready: (pid: number) => Promise<boolean>;
  /** Owns the temporary directory and runs the server. Default: who runs the current process. */
  readonly user?: ServerUser;
  /** Asks the server to shut down in good order. Default `SIGTERM`. */
  readonly endSignal?: NodeJS.Signals;
}

/**
 * A server that runs as a child of the current process, in a temporary directory of its own. It never outlives the
 * current process and never keeps it alive.
 */
export class ServerProcess implements ServerControl {
  readonly #options: ServerProcessOptions;
  readonly #watchdog: Watchdog;
  #child: ChildProcess | undefined;
  #disposed = false;

  constructor(options: ServerProcessOptions) {
    this.#options = options;
    this.#watchdog = new Watchdog(options.name);
    const { user } = options;
    if (user) chownSync(this.#watchdog.directory, user.uid, user.gid);
  }

  async start(): Promise<void> {
    if (this.#disposed) throw this.#failed('was stopped and its data removed. Start another one');
    if (this.#child !== undefined) return;
    const child = this.#spawn();
    const deadline = Date.now() + READY_DEADLINE_MS;
    while (!(await this.#answers(child))) {
      if (this.#child !== child) throw this.#failed(`ended before it was ready. Its log ends with: ${this.#logTail()}`);
      if (Date.now() > deadline) {
        await this.kill();
        throw this.#failed(`did not answer within ${READY_DEADLINE_MS} ms. Its log ends with: ${this.#logTail()}`);
      }
      await sleep(10);
    }
  }

  async end(): Promise<void> {
    await this.thaw();
    await this.#signalled(this.#options.endSignal ?? 'SIGTERM', END_DEADLINE_MS);
    await this.kill();
  }

  async kill(): Promise<void> {
    await this.#signalled('SIGKILL');
  }

  async freeze(): Promise<void> {
    this.#child?.kill('SIGSTOP');
  }

  async thaw(): Promise<void> {
    this.#child?.kill('SIGCONT');
  }

  async dispose(): Promise<void> {
    this.#disposed = true;
    await this.kill();
    await this.#watchdog.close();
  }

  /** Starts a new server; false when somebody else took its port first. One that does not start is disposed of. */
  async startUnlessTaken(): Promise<boolean> {
    try {
      await this.start();
      return true;
    } catch (error) {
      const taken = this.#logTail().includes('Address already in use');
      await this.dispose();
      if (taken) return false;
      throw error;
    }
  }

  /** The last lines that the server wrote to its log. */
  #logTail(): string {
    const lines = readFileSync(this.#logFile, 'utf8').trim().split('\n');
    return lines.slice(-LOG_TAIL_LINES).join(' | ') || '(empty)';
  }

  get #logFile(): string {
    return join(this.#watchdog.directory, 'server.log');
  }

  #spawn(): ChildProcess {
    const { command, args, user } = this.#options;
    // A file and not a pipe: a pipe that nobody reads would fill up and block the server.
    const log = openSync(this.#logFile, 'a');
    const child = spawn(command, args(this.#watchdog.directory), {
      cwd: this.#watchdog.directory,
      stdio: ['ignore', log, log],
      ...user,
    });
    closeSync(log);
    child.unref();
    const gone = (): void => {
      if (this.#child === child) this.#child = undefined;
      this.#watchdog.watch(undefined);
    };
    child.once('exit', gone);
    child.once('error', gone);
    this.#child = child;
    this.#watchdog.watch(child.pid);
    return child;
  }

  async #answers(child: ChildProcess): Promise<boolean> {
    try {
      return child.pid !== undefined && this.#child === child && (await this.#options.ready(child.pid));
    } catch {
      // Refused, still loading, or not ours yet: asked again until the deadline.
      return false;
    }
  }

  async #signalled(signal: NodeJS.Signals, deadlineMs?: number): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    child.ref();
    const gone = once(child, 'exit');
    child.kill(signal);
    await (deadlineMs === undefined ? gone : Promise.race([gone, sleep(deadlineMs, undefined, { ref: false })]));
    child.unref();
  }

  #failed(what: string): EventsError {
    return new EventsError('EVENTS_SERVICE_FAILED', `The server ${this.#options.name} ${what}.`);
  }
}
