import type { EventsError } from '@logistically/events-kernel';
import type { Commands } from './commands.ts';
import { connectionLost, isConnectionError, isReply, notReplicated } from './error.ts';
import type { Replicas } from './options.ts';

type Done = (reason?: unknown) => void;

/** Waits on the way at a time: the server answers one while the next is filled. */
const MAX_WAITS = 2;

/**
 * Group commit: one WAIT covers all that was sent on a connection in one turn of the event loop. It blocks what comes after it
 * there, so the connection is used for publishing alone (https://redis.io/docs/latest/commands/wait/).
 */
export class Cover {
  readonly #commands: Pick<Commands, 'call'>;
  readonly #replicas: number;
  readonly #timeoutMs: number;
  readonly #answerMs: number;
  #covered: Done[] | undefined;
  #waits = 0;
  #waiting: (() => void)[] = [];
  #shortage: EventsError | undefined;

  constructor(commands: Pick<Commands, 'call'>, { replicas, timeoutMs }: Required<Replicas>, answerMs: number) {
    this.#commands = commands;
    this.#replicas = replicas;
    this.#timeoutMs = timeoutMs;
    this.#answerMs = answerMs;
  }

  /** Why the last group was refused, while none was taken since. */
  get shortage(): EventsError | undefined {
    return this.#shortage;
  }

  /** What is sent now would wait behind others: while replicas are missing each takes its whole time. */
  get busy(): boolean {
    return this.#waits >= (this.#shortage ? 1 : MAX_WAITS);
  }

  /** Calls `done` once the replicas have all that was sent in this turn of the event loop, or with the reason why they have not. */
  add(done: Done): void {
    if (!this.#covered) {
      this.#covered = [];
      queueMicrotask(this.#commit);
    }
    this.#covered.push(done);
  }

  /** Calls `resume` once, when it is not busy any more. */
  whenFree(resume: () => void): void {
    this.#waiting.push(resume);
  }

  readonly #commit = (): void => {
    const all = this.#covered ?? [];
    this.#covered = undefined;
    this.#waits++;
    const settle = (reason?: unknown): void => {
      this.#waits--;
      for (const done of all) done(reason);
      for (const resume of this.#waiting.splice(0)) resume();
    };
    this.#commands.call(
      (client) => client.wait(this.#replicas, this.#timeoutMs),
      this.#timeoutMs + this.#answerMs,
      (has) => {
        this.#shortage = has >= this.#replicas ? undefined : notReplicated(has, this.#replicas, this.#timeoutMs);
        settle(this.#shortage);
      },
      (refusal) => {
        // A master that was demoted meanwhile: what it had may be with the next one, or not.
        const reason = isReply(refusal, 'UNBLOCKED') ? connectionLost() : refusal;
        if (isConnectionError(reason)) this.#shortage = undefined;
        settle(reason);
      },
    );
  };
}
