import type { Capabilities } from '@logistically/events-kernel';
import type { Clause } from './clause.ts';
import type { CaseContext } from './context.ts';

/**
 * What must be there for a case to apply: a capability, a capability with one value (`order/topic`), or the ability to
 * subscribe at all.
 */
export type Need = keyof Capabilities | 'subscribe' | 'durable/server' | 'order/topic';

/** What the caller must be able to do to the broker, given as an option. */
export type Means = 'restart' | 'crash' | 'freeze' | 'wipe';

/** One promise and its proof. */
export interface Case {
  /** `topic/what`, stable: reports and waivers name it. */
  readonly id: string;
  readonly clause: Clause;
  readonly title: string;
  /** The transport must declare all of these; else the case is not claimed. */
  readonly needs?: readonly Need[];
  /** The transport must not declare this: the case proves that it is absent, or cleanly refused. */
  readonly absent?: Need;
  readonly means?: Means;
  /** Disturbs the whole broker: no other case may run beside it. */
  readonly alone?: true;
  /** Rejects when the promise is not kept. */
  readonly run: (context: CaseContext) => Promise<void>;
}
