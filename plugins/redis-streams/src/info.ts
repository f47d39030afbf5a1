/** What XINFO tells of a group or a consumer, by name. */
export type Info = Readonly<Record<string, unknown>>;

/** XINFO replies with names and values in one list. */
export const toInfo = (flat: readonly unknown[]): Info => {
  const info: Record<string, unknown> = {};
  for (let i = 0; i < flat.length; i += 2) info[flat[i] as string] = flat[i + 1];
  return info;
};
