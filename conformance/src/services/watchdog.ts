import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

// Reads one process id a line (an empty line: none) until its input ends, which happens however the parent dies.
const script = `
pid=
while read -r line; do pid=$line; done
[ -z "$pid" ] || kill -9 "$pid" 2>/dev/null
rm -rf "$1" || { sleep 1; rm -rf "$1"; }
`;

/**
 * Holds a temporary directory and at most one process, and sees to it that neither outlives the current process. An
 * `exit` listener would not do: it does not run when a test runner kills its worker or a user presses Ctrl-C.
 */
export class Watchdog {
  readonly directory: string;
  readonly #shell: ChildProcess;

  constructor(name: string) {
    this.directory = mkdtempSync(join(tmpdir(), `events-${name}-`));
    // A session of its own: the terminal's Ctrl-C must not end the watchdog before it has done its work.
    this.#shell = spawn('sh', ['-c', script, 'sh', this.directory], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
    });
    this.#shell.unref();
    const input = this.#shell.stdin as Socket;
    input.unref();
    // Somebody killed the watchdog. The directory and a server may stay behind, the tests are none the worse for it.
    input.on('error', () => {});
  }

  /** From now on this process, instead of the one before, dies with the current process. */
  watch(pid: number | undefined): void {
    this.#shell.stdin?.write(`${pid ?? ''}\n`);
  }

  /** Kills the watched process, if there is one, and removes the directory. */
  async close(): Promise<void> {
    if (this.#shell.exitCode !== null || this.#shell.signalCode !== null) return;
    this.#shell.ref();
    const closed = once(this.#shell, 'exit');
    this.#shell.stdin?.end();
    await closed;
  }
}
