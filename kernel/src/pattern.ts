import { EventsError } from './error.ts';

/** The longest event type or pattern, in characters. */
const MAX_LENGTH = 255;
/** The most segments in an event type or pattern. */
const MAX_SEGMENTS = 16;

const NAME = /^[\w-]+(?:\.[\w-]+)*$/;
const PATTERN = /^(?:\*|[\w-]+)(?:\.(?:\*|[\w-]+))*$/;

const check = (value: unknown, what: string, shape: RegExp, form: string): void => {
  if (typeof value !== 'string' || value.length > MAX_LENGTH || !shape.test(value) || value.split('.').length > MAX_SEGMENTS) {
    const shown = typeof value === 'string' ? JSON.stringify(value.slice(0, 64)) : typeof value;
    throw new EventsError(
      'EVENTS_INVALID_NAME',
      `${shown} is no ${what}. Use ${form}, at most ${MAX_SEGMENTS} segments and ${MAX_LENGTH} characters.`,
    );
  }
};

/** Throws `EVENTS_INVALID_NAME` unless `type` is dot-separated segments of letters, digits, `-` and `_`. */
export const checkType = (type: string): void => check(type, 'event type', NAME, 'dot-separated letters, digits, - and _');

/** Throws `EVENTS_INVALID_NAME` unless `pattern` is an event type in which any segment may be `*`. */
export const checkPattern = (pattern: string): void =>
  check(pattern, 'pattern', PATTERN, 'an event type in which a whole segment may be *');

interface Node<T> {
  readonly children: Map<string, Node<T>>;
  star: Node<T> | undefined;
  readonly values: T[];
  /** True below a `*`: the node may take further segments itself. */
  readonly repeats: boolean;
  /** The last walk that visited this node, so that a walk holds it once. */
  visit: number;
}

const node = <T>(repeats: boolean): Node<T> => ({
  children: new Map(),
  star: undefined,
  values: [],
  repeats,
  visit: 0,
});

/**
 * Patterns in a trie over segments, `*` standing for one or more whole segments. `match` walks all patterns at once and holds
 * each trie node at most once per segment, so that no pattern makes it backtrack. Values come in the order of `add`.
 */
export class Patterns<T> {
  readonly #root = node<T>(false);
  readonly #order = new Map<T, number>();
  readonly #cache = new Map<string, readonly T[]>();
  #added = 0;
  #walk = 0;

  /** Adds a value under a pattern; returns what takes it out again. */
  add(pattern: string, value: T): () => void {
    checkPattern(pattern);
    let at = this.#root;
    for (const segment of pattern.split('.')) {
      if (segment === '*') at = at.star ??= node(true);
      else {
        let child = at.children.get(segment);
        if (!child) at.children.set(segment, (child = node(false)));
        at = child;
      }
    }
    at.values.push(value);
    this.#order.set(value, this.#added++);
    this.#cache.clear();
    return () => {
      const index = at.values.indexOf(value);
      if (index < 0) return;
      at.values.splice(index, 1);
      this.#order.delete(value);
      this.#cache.clear();
    };
  }

  /** The values whose pattern takes `type`. Remembered per type, within bounds. */
  match(type: string): readonly T[] {
    const known = this.#cache.get(type);
    if (known) return known;
    const found = this.#find(type);
    if (this.#cache.size >= 4096) this.#cache.clear();
    this.#cache.set(type, found);
    return found;
  }

  #find(type: string): readonly T[] {
    let active: Node<T>[] = [this.#root];
    for (const segment of type.split('.')) {
      const walk = ++this.#walk;
      const following: Node<T>[] = [];
      const enter = (next: Node<T> | undefined): void => {
        if (next && next.visit !== walk) {
          next.visit = walk;
          following.push(next);
        }
      };
      for (const at of active) {
        if (at.repeats) enter(at);
        enter(at.star);
        enter(at.children.get(segment));
      }
      active = following;
    }
    const order = this.#order;
    return active.flatMap((at) => at.values).sort((a, b) => (order.get(a) ?? 0) - (order.get(b) ?? 0));
  }
}

/** Whether a pattern takes a type. For one pattern now and then; many patterns belong in {@link Patterns}. */
export const matches = (pattern: string, type: string): boolean => {
  const patterns = new Patterns<true>();
  patterns.add(pattern, true);
  return patterns.match(type).length > 0;
};
