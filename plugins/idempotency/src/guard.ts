import { asReason, type Emit, EventsError, type Layer, type Settle } from '@logistically/events-kernel';
import type { Claim, Claims } from './claims.ts';
import { Turns } from './turns.ts';

interface GuardOptions<E> {
  readonly claims: Claims;
  /** A claim on what the event stands for, not taken yet. `now`: ms since the epoch. */
  readonly claimOf: (event: E, now: number) => Claim;
  /** The event that an event was derived from: it may be settled in its place. */
  readonly originOf: (event: E) => E;
  readonly applies: (event: E) => boolean;
  readonly emit: Emit;
  readonly onDuplicate: (event: E) => void;
  readonly onWait: () => void;
}

/** When a store that did not answer is asked again. */
const ASK_AGAIN_MS = 500;

const busy = (retryAfterMs: number): EventsError =>
  new EventsError(
    'EVENTS_IDEMPOTENCY_BUSY',
    'Somebody else is at work on the same key: try again when that has ended.',
    { retryAfterMs, uncounted: true },
  );

const notAsked = (cause: unknown): EventsError =>
  new EventsError(
    'EVENTS_IDEMPOTENCY_STORE',
    'The store did not tell whether this was done before, so nothing was done: see `cause`.',
    { cause, retryAfterMs: ASK_AGAIN_MS, uncounted: true },
  );

/** A layer that passes on what it could claim, a batch of claims at a time and in order, and settles what is done already. */
export const guard =
  <E>({ claims, claimOf, originOf, applies, emit, onDuplicate, onWait }: GuardOptions<E>): Layer<E> =>
  (next) => {
    const turns = new Turns();
    return (batch, settleBelow) => {
      const others = batch.filter((event) => !applies(event));
      if (others.length) next(others, settleBelow);
      if (others.length === batch.length) return;
      const ours = others.length ? batch.filter(applies) : batch;
      const events: E[] = [];
      const wanted: Claim[] = [];
      /** Positions among them of what is at work, by origin: a derived event settles the one that came. */
      const working = new Map<E, number>();

      // Nobody above hears of what is thrown here: it is not in a call of theirs any more.
      const settle: Settle<E> = (event, reason) => {
        try {
          settleBelow(event, reason);
        } catch (thrown) {
          emit('error', { source: 'idempotency', reason: thrown });
          settleBelow(event, asReason(thrown));
        }
      };
      const finish: Settle<E> = (settled, reason) => {
        const origin = originOf(settled);
        const index = working.get(origin);
        if (index === undefined) return;
        working.delete(origin);
        const [event, claim] = [events[index] as E, wanted[index] as Claim];
        if (reason === undefined) claims.finish(claim, () => settle(event));
        else void claims.release(claim).then(() => settle(event, reason));
      };
      const proceed = (claimed: readonly E[]): void => {
        try {
          if (claimed.length) next(claimed, finish);
        } catch (thrown) {
          for (const event of claimed) finish(event, asReason(thrown));
        }
      };
      const meet = async (index: number): Promise<void> => {
        const event = events[index] as E;
        try {
          const met = await claims.takeFreed(wanted[index] as Claim);
          if (met === undefined) {
            working.set(originOf(event), index);
            return proceed([event]);
          }
          if (met === 'done') {
            onDuplicate(event);
            return settle(event);
          }
          onWait();
          settle(event, busy(met));
        } catch (thrown) {
          settle(event, notAsked(thrown));
        }
      };

      const now = Date.now();
      for (const event of ours) {
        try {
          wanted.push(claimOf(event, now));
          events.push(event);
        } catch (thrown) {
          settle(event, asReason(thrown));
        }
      }
      if (events.length === 0) return;
      const inTurn = turns.take();
      claims.take(wanted).then(
        (taken) =>
          inTurn(() => {
            for (const [index, event] of events.entries())
              if (taken[index]) working.set(originOf(event), index);
              else void meet(index);
            proceed(working.size === events.length ? events : events.filter((_, index) => taken[index]));
          }),
        (thrown) =>
          inTurn(() => {
            for (const event of events) settle(event, notAsked(thrown));
          }),
      );
    };
  };
