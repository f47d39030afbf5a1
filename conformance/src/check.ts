import type { Delivered, Fact, History, Published } from './history.ts';

/** What a history is held against. */
export interface Expectations {
  /** The groups that should have got every event. Default: those that appear. */
  readonly groups?: readonly string[];
  /**
   * What must be in the order of publishing within a key: `'start'`: the first handlings, `'completion'`: the successes. Events
   * without a key are not looked at. Default: nothing.
   */
  readonly order?: 'start' | 'completion';
  /** Lists in the findings end here; the counts go on. Default 100. */
  readonly limit?: number;
}

/** An event in a group, and the position of the fact that gave it away. */
export interface Finding {
  readonly id: string;
  readonly group: string;
  /** Position in `history.facts`; undefined where something is missing. */
  readonly at?: number;
  /** The consumer, or the event, that it collides with. */
  readonly with?: string;
}

/** Findings of one kind. */
export interface Findings {
  readonly count: number;
  readonly examples: readonly Finding[];
}

export interface CheckReport {
  /** Nothing was found but, perhaps, duplicates: at least once allows them. */
  readonly ok: boolean;
  /** Confirmed, and never done in a group that should have got it. */
  readonly lost: Findings;
  /** Done more than once in a group. */
  readonly duplicated: Findings;
  /** Before an event of the same key that was published earlier. `with` names that event. */
  readonly reordered: Findings;
  /** Handled although the group had settled it. */
  readonly afterSettled: Findings;
  /** Handled while another consumer, or the same one, was handling it. `with` names that consumer. */
  readonly concurrent: Findings;
  /** Handled and never published. */
  readonly phantom: Findings;
  /** Confirmed events. */
  readonly published: number;
  /** Confirmed events that are done, over all groups. */
  readonly done: number;
}

class Collected implements Findings {
  count = 0;
  readonly examples: Finding[] = [];
  readonly #limit: number;

  constructor(limit: number) {
    this.#limit = limit;
  }

  add(id: string, group: string, at?: number, other?: string): void {
    this.count++;
    if (this.examples.length >= this.#limit) return;
    this.examples.push({ id, group, ...(at !== undefined && { at }), ...(other !== undefined && { with: other }) });
  }
}

/** An event in a group. */
interface State {
  /** Times that it was done. */
  done: number;
  /** Who handles it now. */
  readonly running: string[];
  started: boolean;
}

/** What is known of a publication. */
interface Publication {
  readonly key: string | undefined;
  readonly confirmed: boolean;
  /** Counts the publications. */
  readonly sequence: number;
}

interface GroupState {
  readonly events: Map<string, State>;
  /** By key: the latest event in the order of publishing that was seen. */
  readonly latest: Map<string, { readonly id: string; readonly sequence: number }>;
}

/** Whose deliveries are open, so that an end need not look through all. */
type Open = Map<string, Set<State>>;

/**
 * Judges a history: what was lost, duplicated, reordered within its key, handled after it was settled, handled twice at once, or
 * never published. A settlement counts only from a consumer that holds the event. Takes time in proportion to the facts.
 */
export const check = (history: Pick<History, 'facts'>, expectations: Expectations = {}): CheckReport => {
  const { order, limit = 100 } = expectations;
  const found = () => new Collected(limit);
  const [lost, duplicated, reordered, afterSettled, concurrent, phantom] = [
    found(),
    found(),
    found(),
    found(),
    found(),
    found(),
  ];
  const publications = publicationsOf(history.facts);
  const groups = new Map<string, GroupState>();
  const open: Open = new Map();

  const groupOf = (name: string): GroupState => {
    const group = groups.get(name) ?? { events: new Map(), latest: new Map() };
    groups.set(name, group);
    return group;
  };
  const stateOf = ({ id, group }: { readonly id: string; readonly group: string }): State => {
    const { events } = groupOf(group);
    const state = events.get(id) ?? { done: 0, running: [], started: false };
    events.set(id, state);
    return state;
  };
  const expectOrder = (id: string, name: string, at: number): void => {
    const publication = publications.get(id);
    if (publication?.key === undefined) return;
    const { latest } = groupOf(name);
    const before = latest.get(publication.key);
    if (before && before.sequence > publication.sequence) reordered.add(id, name, at, before.id);
    else latest.set(publication.key, { id, sequence: publication.sequence });
  };
  const deliver = (fact: Delivered, at: number): void => {
    const state = stateOf(fact);
    if (!publications.has(fact.id)) phantom.add(fact.id, fact.group, at);
    if (state.done > 0) afterSettled.add(fact.id, fact.group, at);
    if (state.running.length > 0) concurrent.add(fact.id, fact.group, at, state.running[0]);
    if (!state.started && order === 'start') expectOrder(fact.id, fact.group, at);
    state.started = true;
    state.running.push(fact.consumer);
    const held = open.get(fact.consumer);
    if (held) held.add(state);
    else open.set(fact.consumer, new Set([state]));
  };
  /** False when the consumer does not hold the event. */
  const release = (state: State, consumer: string): boolean => {
    const index = state.running.indexOf(consumer);
    if (index < 0) return false;
    state.running.splice(index, 1);
    if (!state.running.includes(consumer)) open.get(consumer)?.delete(state);
    return true;
  };
  const complete = (state: State, id: string, group: string, at: number): void => {
    if (state.done++ > 0) duplicated.add(id, group, at);
    else if (order === 'completion') expectOrder(id, group, at);
  };

  history.facts.forEach((fact, at) => {
    if (fact.fact === 'deliver') deliver(fact, at);
    else if (fact.fact === 'fail') release(stateOf(fact), fact.consumer);
    else if (fact.fact === 'settle') {
      const state = stateOf(fact);
      if (release(state, fact.consumer)) complete(state, fact.id, fact.group, at);
    } else if (fact.fact === 'dead-letter') complete(stateOf(fact), fact.id, fact.group, at);
    else if (fact.fact === 'end') {
      for (const state of open.get(fact.consumer) ?? []) while (release(state, fact.consumer));
      open.delete(fact.consumer);
    }
  });

  let [published, done] = [0, 0];
  for (const { confirmed } of publications.values()) if (confirmed) published++;
  for (const name of expectations.groups ?? groups.keys()) {
    const { events } = groupOf(name);
    for (const [id, { confirmed }] of publications) {
      if (!confirmed) continue;
      if ((events.get(id)?.done ?? 0) > 0) done++;
      else lost.add(id, name);
    }
  }
  const ok = [lost, reordered, afterSettled, concurrent, phantom].every(({ count }) => count === 0);
  return { ok, lost, duplicated, reordered, afterSettled, concurrent, phantom, published, done };
};

const publicationsOf = (facts: readonly Fact[]): Map<string, Publication> => {
  const publications = new Map<string, Publication>();
  const add = ({ id, key, confirmed = true }: Published): void => {
    // Confirmed wins over an earlier try that was not; the place in the order is that of the first.
    const before = publications.get(id);
    publications.set(id, {
      key: key ?? before?.key,
      confirmed: confirmed || before?.confirmed === true,
      sequence: before?.sequence ?? publications.size,
    });
  };
  for (const fact of facts) if (fact.fact === 'publish') add(fact);
  return publications;
};
