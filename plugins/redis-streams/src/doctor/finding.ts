export type Level = 'error' | 'warning' | 'info';

/** Something that should be otherwise, or that one should know. */
export interface Finding {
  readonly level: Level;
  /** Stable, kebab-case. */
  readonly code: string;
  /** A node (`host:port`), a topic or a group. */
  readonly where: string;
  readonly what: string;
  /** A command or a line of configuration, or what to do where there is none. */
  readonly fix: string;
}
