import type { Context } from './context.ts';
import type { Envelope } from './envelope.ts';
import type { Emit } from './lifecycle.ts';
import type { Logger } from './logger.ts';
import type { EventSource } from './outgoing-event.ts';
import type { TopicStrategy } from './topic.ts';
import type { Transport } from './transport.ts';

/** What is counted of all deliveries. */
interface Counts {
  delivered: number;
  settled: number;
  failed: number;
  filtered: number;
  undecodable: number;
}

/** What the parts of one kernel share. */
export interface Core extends EventSource {
  readonly logger: Logger;
  readonly topics: TopicStrategy;
  readonly context: Context;
  readonly emit: Emit;
  /** The transport of that name, or the first one used; throws `EVENTS_NO_TRANSPORT`. */
  readonly transportOf: (name?: string) => Transport;
  /** Does `work` until `deadline` (ms since the epoch) and goes on whatever comes of it: a failure is logged. */
  readonly attempt: (what: string, deadline: number, work: () => unknown) => Promise<unknown>;
  /** Whether an event comes from an origin that this service sees. */
  readonly sees: (event: Envelope) => boolean;
  readonly startTimeoutMs: number;
  readonly stallMs: number;
  readonly counts: Counts;
}
