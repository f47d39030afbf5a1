import { asReason, type Emit, EventsError, type Layer, type Settle } from '@logistically/events-kernel';
import type { Claim, Claims } from './claims.ts';

interface GuardOptions<E> {
  readonly claims: Claims;
  /** A claim on what the event stands for, not taken yet. */
  readonly claimOf: (event: E) => Claim;
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
  (next) =>
  (batch, settleBelow) => {
    const others = batch.filter((event) => !applies(event));
    if (others.length) next(others, settleBelow);
    if (others.length === batch.length) return;
    const ours = others.length ? batch.filter(applies) : [...batch];
    /** By origin, so that a derived event settles the one that came. */
    const working = new Map<E, { readonly event: E; readonly claim: Claim }>();

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
      const work = working.get(origin);
      if (!work) return;
      working.delete(origin);
      if (reason === undefined) claims.finish(work.claim, () => settle(work.event));
      else void claims.release(work.claim).then(() => settle(work.event, reason));
    };
    const proceed = (claimed: readonly (readonly [E, Claim])[]): void => {
      const events = claimed.map(([event]) => event);
      for (const [event, claim] of claimed) working.set(originOf(event), { event, claim });
      try {
        if (events.length) next(events, finish);
      } catch (thrown) {
        for (const event of events) finish(event, asReason(thrown));
      }
    };
    const meet = async (event: E, claim: Claim): Promise<void> => {
      const met = await claims.takeFreed(claim);
      if (met === undefined) return proceed([[event, claim]]);
      if (met === 'done') {
        onDuplicate(event);
        return settle(event);
      }
      onWait();
      settle(event, busy(met));
    };

    const wanted: (readonly [E, Claim])[] = [];
    for (const event of ours) {
      try {
        wanted.push([event, claimOf(event)]);
      } catch (thrown) {
        settle(event, asReason(thrown));
      }
    }
    if (wanted.length === 0) return;
    claims.take(wanted.map(([, claim]) => claim)).then(
      (taken) => {
        const claimed = wanted.filter((_, index) => taken[index]);
        if (claimed.length < wanted.length)
          for (const [index, [event, claim]] of wanted.entries())
            if (!taken[index]) meet(event, claim).catch((thrown) => settle(event, notAsked(thrown)));
        proceed(claimed);
      },
      (thrown) => {
        for (const [event] of wanted) settle(event, notAsked(thrown));
      },
    );
  };
