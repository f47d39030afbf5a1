import type { Middleware } from '@logistically/events-kernel';

/** What one group has done. */
export interface GroupTally {
  /** Ids of the events that are done. */
  readonly done: Set<string>;
  readonly failures: Failure[];
}

export interface Failure {
  readonly id: string;
  readonly type: string;
  readonly attempt: number;
  readonly reason: unknown;
}

/** A middleware that looks on: it counts, by group, what is done and what has failed and comes back. */
export class Tally implements Middleware {
  readonly kind = 'middleware';
  readonly name = 'tally';
  readonly groups = new Map<string, GroupTally>();
  readonly #onSettled: () => void;

  /** `onSettled` is called after every settlement. */
  constructor(onSettled: () => void) {
    this.#onSettled = onSettled;
  }

  readonly consume: NonNullable<Middleware['consume']> = {
    stage: 'observe',
    layer: (next) => (batch, settle) =>
      next(batch, (delivery, reason) => {
        const { id, type } = delivery.envelope?.header ?? { id: delivery.cursor, type: 'unknown' };
        const tally = this.group(delivery.group);
        if (reason === undefined) tally.done.add(id);
        else tally.failures.push({ id, type, attempt: delivery.attempt, reason });
        settle(delivery, reason);
        this.#onSettled();
      }),
  };

  group(name: string): GroupTally {
    const tally = this.groups.get(name) ?? { done: new Set(), failures: [] };
    this.groups.set(name, tally);
    return tally;
  }
}
