/** What a sentinel tells of a server or of another sentinel. */
export type State = Partial<Record<string, string>>;

/** Sentinel tells what it knows in one list of names and values. */
export const stateOf = (flat: unknown): State => {
  const state: Record<string, string> = {};
  if (Array.isArray(flat)) for (let i = 0; i + 1 < flat.length; i += 2) state[String(flat[i])] = String(flat[i + 1]);
  return state;
};
