import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Order, Reply, Run } from './message.ts';

const HOST = fileURLToPath(new URL('./part-host.ts', import.meta.url));
export const NODE_ARGUMENTS = ['--expose-gc', '--import', new URL('./transpile.mjs', import.meta.url).href];

/** Far beyond what any work here takes: an event was lost, or something hangs. */
const DEADLINE_MS = 120_000;

/** A Node process that hosts parts and does what it is told, one thing at a time. */
export class PartProcess implements AsyncDisposable {
  readonly #child: ChildProcess = fork(HOST, { execArgv: NODE_ARGUMENTS });

  /** Rejects with what went wrong there. */
  async tell(order: Order): Promise<Run | undefined> {
    const reply = await new Promise<Reply>((resolve) => {
      const done = (reply: Reply): void => {
        clearTimeout(timer);
        this.#child.off('message', done).off('exit', exited);
        resolve(reply);
      };
      const exited = (code: number | null): void =>
        done({ error: `The process ended (${code}) during ${order.order}.` });
      const late = (): void => done({ error: `Did not finish to ${order.order} within ${DEADLINE_MS} ms.` });
      const timer = setTimeout(late, DEADLINE_MS);
      this.#child.once('message', done).once('exit', exited);
      this.#child.send(order);
    });
    if ('error' in reply)
      throw new Error(`${order.part.caseId}, variant ${order.part.variant}, ${order.part.role}: ${reply.error}`);
    return reply.run;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const gone = once(this.#child, 'exit');
    this.#child.disconnect();
    await gone;
  }
}
