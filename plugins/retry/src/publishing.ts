import { asReason, type Layer, type OutgoingEvent, type Path, type Settle } from '@logistically/events-kernel';
import { type Backoff, type BackoffOptions, backoffOf, delayOf } from './backoff.ts';
import { refuse } from './check.ts';
import { isPermanent, ownDelayOf } from './reason.ts';
import { WaitingRoom } from './waiting-room.ts';

/** How an event is sent again that was not published. */
export interface PublishRetryOptions extends BackoffOptions {
  /** Whether a reason is worth another attempt. Default: all that are not `permanent`. */
  readonly isRetryable?: (reason: unknown) => boolean;
}

const PUBLISH_DEFAULTS: Backoff = {
  maxAttempts: 4,
  backoff: 'exponential',
  baseDelayMs: 100,
  maxDelayMs: 10_000,
  jitter: 'full',
};

/** An event that waits to be sent again. */
interface Waiting {
  readonly event: OutgoingEvent;
  readonly settle: Settle<OutgoingEvent>;
  /** The one that comes. */
  readonly attempt: number;
}

interface Publishing {
  readonly layer: Layer<OutgoingEvent>;
  /** Sends what waits once more, at once; from now on a failure is final. */
  readonly stop: () => void;
}

/** The options with nothing left open. */
interface PublishPolicy {
  readonly backoff: Backoff;
  readonly isRetryable: (reason: unknown) => boolean;
}

/** The options with their defaults; throws `EVENTS_CONFIG`. */
export const checkPublishing = (options: PublishRetryOptions): PublishPolicy => {
  const { isRetryable = (reason) => !isPermanent(reason) } = options;
  if (typeof isRetryable !== 'function') refuse('`publish.isRetryable` must be a function.');
  return { backoff: backoffOf(options, PUBLISH_DEFAULTS), isRetryable };
};

/** The publish side of one kernel: what fails waits in the process and is sent again. */
export const createPublishing = ({ backoff, isRetryable }: PublishPolicy): Publishing => {
  let stopping = false;
  let path: Path<OutgoingEvent> = () => {};

  const isWorthIt = (reason: unknown): boolean => {
    try {
      return isRetryable(reason) === true;
    } catch {
      return false;
    }
  };

  /** Sends a batch. Each event leaves `open` when it is settled or waits: what comes for it later counts no more. */
  const send = (
    batch: readonly OutgoingEvent[],
    settle: (event: OutgoingEvent) => Settle<OutgoingEvent>,
    attemptOf: (event: OutgoingEvent) => number,
  ): void => {
    const open = new Set(batch);
    let byId: Map<string, OutgoingEvent> | undefined;
    const originalOf = (event: OutgoingEvent): OutgoingEvent | undefined => {
      if (open.has(event)) return event;
      // A layer may settle a copy, which has the id of what it was derived from.
      byId ??= new Map(batch.map((each) => [each.header.id, each]));
      const original = byId.get(event.header.id);
      return original && open.has(original) ? original : undefined;
    };
    const settleOne: Settle<OutgoingEvent> = (settled, reason) => {
      const event = originalOf(settled);
      if (!event) return;
      open.delete(event);
      const attempt = attemptOf(event);
      if (reason === undefined) settle(event)(event);
      else if (stopping || attempt >= backoff.maxAttempts || !isWorthIt(reason)) settle(event)(event, reason);
      else
        room.add(
          { event, settle: settle(event), attempt: attempt + 1 },
          ownDelayOf(reason) ?? delayOf(backoff, attempt),
        );
    };
    try {
      path(batch, settleOne);
    } catch (thrown) {
      for (const event of [...open]) settleOne(event, asReason(thrown));
    }
  };

  const room = new WaitingRoom<Waiting>((entries) => {
    const found = new Map(entries.map((each) => [each.event, each]));
    const entryOf = (event: OutgoingEvent): Waiting => found.get(event) as Waiting;
    send(
      [...found.keys()],
      (event) => entryOf(event).settle,
      (event) => entryOf(event).attempt,
    );
  });

  const first = (): number => 1;
  return {
    layer: (next) => {
      path = next;
      stopping = false;
      return (batch, settle) => send(batch, () => settle, first);
    },
    stop() {
      stopping = true;
      room.flush();
    },
  };
};
