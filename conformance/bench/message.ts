import type { PartAddress } from './address.ts';
import type { Figures, Lab } from './part.ts';

/** What the command tells a process that hosts parts. */
export type Order =
  | { readonly order: 'open'; readonly part: PartAddress; readonly lab: Lab }
  | { readonly order: 'run'; readonly part: PartAddress; readonly events: number }
  | { readonly order: 'close'; readonly part: PartAddress };

/** How a part's run went; times in µs. */
export interface Run {
  readonly start: number;
  readonly end: number;
  readonly cpu: number;
  readonly figures: Figures;
}

export type Reply = { readonly run?: Run } | { readonly error: string };
