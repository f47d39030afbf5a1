/** Names an event in a group: the checker knows nothing else about it. */
interface Handling {
  /** The event's id. */
  readonly id: string;
  readonly group: string;
  /** Who handles it: a process, a subscription. */
  readonly consumer: string;
}

/** An event was given to the transport. */
export interface Published {
  readonly fact: 'publish';
  readonly id: string;
  /** Events of one key are expected in the order of their facts. */
  readonly key?: string;
  /** Whether the transport confirmed it; one that it did not may be delivered or not. Default true. */
  readonly confirmed?: boolean;
}

/** A handler began. */
export interface Delivered extends Handling {
  readonly fact: 'deliver';
  readonly attempt?: number;
}

/** A handler succeeded. */
interface Settled extends Handling {
  readonly fact: 'settle';
}

/** A handler failed. */
interface Failed extends Handling {
  readonly fact: 'fail';
}

/** An event was put aside for a person to look at: for its group it is done. */
interface DeadLettered {
  readonly fact: 'dead-letter';
  readonly id: string;
  readonly group: string;
}

/** A consumer is gone, by closing or by dying: what it held is nobody's, and what it still says is not heard. */
interface Ended {
  readonly fact: 'end';
  readonly consumer: string;
}

/** Something that happened, as plain JSON: processes can send it. */
export type Fact = Published | Delivered | Settled | Failed | DeadLettered | Ended;

/** Facts in the order in which they happened. */
export interface History {
  readonly facts: readonly Fact[];
  readonly record: (fact: Fact) => void;
}

export const createHistory = (facts: Iterable<Fact> = []): History => {
  const recorded = [...facts];
  return { facts: recorded, record: (fact) => void recorded.push(fact) };
};
