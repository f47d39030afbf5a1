/** Values by the name of their measure (see measure.ts). */
export type Figures = Readonly<Record<string, number>>;

/** What a part is given for one round. */
export interface Lab {
  readonly url: string;
  /** How many events the round has in all. */
  readonly events: number;
}

/** One process's share of a variant, ready to be measured. */
export interface Part {
  /** The measured work. Resolves when every event is through and confirmed; with figures where a rate is not the point. */
  run(events: number): Promise<Figures | void>;
  /** Throws unless the work was really done. */
  verify(): Promise<void>;
  close(): Promise<void>;
}

/** Connects and prepares everything that is not to be measured. */
export type OpenPart = (lab: Lab) => Promise<Part>;

/** One way to do the work of a case. */
export interface Variant {
  readonly name: string;
  /** By role, opened in this order: what consumes comes before what produces. Each runs in a process of its own. */
  readonly parts: Readonly<Record<string, OpenPart>>;
}
