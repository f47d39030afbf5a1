import type { NodeFacts } from '../facts.ts';

/** A parameter of the server; what CONFIG does not tell, INFO may. */
export const settingOf = ({ config, info }: NodeFacts, name: string): string | undefined =>
  config[name] ?? info[name.replaceAll('-', '_')];

/** The same as a number. */
export const numberOf = (node: NodeFacts, name: string): number | undefined => {
  const value = settingOf(node, name);
  return value === undefined || value === '' ? undefined : Number(value);
};

export const mebibytes = (bytes: number): string => `${Math.round(bytes / 1_048_576)} MiB`;
