import { fail } from './error.ts';
import { memo } from './memo.ts';

// At most 8 segments, which bounds what a hostile type or a hostile set of patterns can cost.
const TYPE = /^[\w-]+(\.[\w-]+){0,7}$/;
const PATTERN = /^(\*|[\w-]+)(\.(\*|[\w-]+)){0,7}$/;

const fits = (value: unknown, shape: RegExp): boolean =>
  typeof value === 'string' && value.length < 256 && shape.test(value);

export const isType = (type: unknown): boolean => fits(type, TYPE);

export const check = (value: string, shape: RegExp, form: string): string => {
  const shown = typeof value === 'string' ? JSON.stringify(value.slice(0, 64)) : typeof value;
  return fits(value, shape) ? value : fail('EVENTS_INVALID_NAME', `${shown} is no ${form}.`);
};

/** Throws `EVENTS_INVALID_NAME` unless `type` is dot-separated segments of letters, digits, `-` and `_`, 8 at most. */
export const checkType = (type: string): string => check(type, TYPE, 'event type: use `a.b_c.d-1`, at most 8 segments');

/** Throws `EVENTS_INVALID_NAME` unless `pattern` is an event type in which any segment may be `*`. */
export const checkPattern = (pattern: string): string =>
  check(pattern, PATTERN, 'pattern: use an event type in which whole segments may be `*`');

/** What one more segment of a pattern leads to. */
interface Node<T> {
  readonly children: Map<string, Node<T>>;
  readonly entries: Set<{ readonly value: T; readonly order: number }>;
}

const createNode = <T>(): Node<T> => ({ children: new Map(), entries: new Set() });

/**
 * Patterns in a trie over segments, `*` standing for one or more whole segments. `match` walks all patterns at once and visits
 * a node at most once, with all positions in the type that the pattern so far can have reached. So no pattern makes it
 * backtrack, and however many there are, it visits no more nodes than there are ways to put stars into the type: for 8 segments
 * about two thousand. Values come in the order of `add`.
 */
export class Patterns<T> {
  readonly #root = createNode<T>();
  #added = 0;
  readonly #recall = memo((type) => (isType(type) ? this.#find(type.split('.')) : []));

  /** Adds a value under a pattern; returns what takes it out again. */
  add(pattern: string, value: T): () => void {
    const entry = { value, order: this.#added++ };
    let node = this.#root;
    for (const segment of checkPattern(pattern).split('.')) {
      const child = node.children.get(segment) ?? createNode();
      node.children.set(segment, child);
      node = child;
    }
    node.entries.add(entry);
    this.#recall.clear();
    return () => {
      node.entries.delete(entry);
      this.#recall.clear();
    };
  }

  /** The values whose pattern takes `type`; none for what is no event type. Remembered per type, within bounds. */
  match(type: string): readonly T[] {
    return this.#recall(type);
  }

  /** Positions are bits: bit n is set where n segments of the type have been taken. */
  #find(segments: readonly string[]): readonly T[] {
    const end = 1 << segments.length;
    // For each segment, all positions in front of the same one.
    const alike = segments.map((segment) => segments.reduce((set, other, at) => set | (+(other === segment) << at), 0));
    const found: { value: T; order: number }[] = [];
    const visit = ({ children, entries }: Node<T>, reached: number): void => {
      if (reached & end) for (const entry of entries) found.push(entry);
      const open = reached & (end - 1);
      const star = open && children.get('*');
      // One segment or more: every position beyond the first one reached.
      if (star) visit(star, (2 * end - 1) & -(2 * (open & -open)));
      for (let rest = open; rest; ) {
        const at = 31 - Math.clz32(rest);
        const positions = rest & (alike[at] as number);
        const child = children.get(segments[at] as string);
        if (child) visit(child, 2 * positions);
        rest ^= positions;
      }
    };
    visit(this.#root, 1);
    return found.sort((a, b) => a.order - b.order).map(({ value }) => value);
  }
}

/** Whether a pattern takes a type. For one pattern now and then; many patterns belong in {@link Patterns}. */
export const matches = (pattern: string, type: string): boolean => {
  const patterns = new Patterns();
  patterns.add(pattern, 1);
  return patterns.match(type).length > 0;
};
