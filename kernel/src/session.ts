import type { Core } from './core.ts';
import { drained, finish, shares } from './deadline.ts';
import { type Delivery, originOf } from './delivery.ts';
import { aborted, type EventsError, isEventsError } from './error.ts';
import type { Group } from './group.ts';
import type { Logger } from './logger.ts';
import { asReason, type Path, type Settle } from './path.ts';
import type { TransportConsumer } from './transport.ts';

/** A subscription while it is open: where its deliveries enter the consume path, and where each leaves it once. */
export interface Session {
  readonly transport: string;
  readonly group: string;
  readonly handlers: Group;
  readonly logger: Logger;
  readonly deliver: Path<Delivery>;
  /** Settles a delivery that a throw has left unsettled. */
  readonly fail: (delivery: Delivery, thrown: unknown) => void;
  /** Has the signal of a delivery fire when time is up. */
  readonly watch: (controller: AbortController) => void;
  /** Whether time is up: no handler begins any more. */
  readonly ended: () => boolean;
  readonly open: (subscribe: () => Promise<TransportConsumer>) => Promise<void>;
  /** Stops reading, lets finish, fires the signals, hands back. */
  readonly close: (deadline: number) => Promise<void>;
  readonly inFlight: () => number;
  /** For how long nothing of what is in flight was settled, as far as those who asked have seen, in ms. */
  readonly stalledMs: () => number;
}

export const createSession = (
  { logger, emit, attempt, counts, startTimeoutMs }: Core,
  path: Path<Delivery>,
  name: string,
  transport: string,
  group: string,
  handlers: Group,
): Session => {
  const watched = new Set<AbortController>();
  let consumer: TransportConsumer | undefined;
  let ended: EventsError | undefined;
  let closing: Promise<void> | undefined;
  let closed = false;
  let inFlight = 0;
  let settlements = 0;
  /** Settlements when health was last asked for, unless nothing was in flight since then. */
  let seen = -1;
  let since = 0;

  const settle: Settle<Delivery> = (settled, reason) => {
    const delivery = originOf(settled);
    const { topic, cursor, _settle: settleTransport } = delivery;
    // What is settled after the end has been handed back already.
    if (closed) return;
    if (!settleTransport) {
      emit('settledTwice', { topic, cursor });
      return;
    }
    delivery._settle = undefined;
    if (delivery._abort) watched.delete(delivery._abort);
    settlements++;
    inFlight--;
    // What is no event would come back for ever: no plugin kept it, so it is told of and left where it is.
    const outcome =
      reason === undefined
        ? 'settled'
        : isEventsError(reason) && reason.code === 'EVENTS_UNDECODABLE'
          ? 'undecodable'
          : 'failed';
    counts[outcome]++;
    try {
      settleTransport(delivery, outcome === 'failed' ? reason : undefined);
      if (outcome === 'settled') return;
      const fields = { ...delivery.toJSON(), reason };
      if (outcome === 'failed') logger.warn(fields, 'A delivery failed and will come back.');
      else logger.error(fields, 'An entry is no event: it is settled, and stays in the topic.');
      emit(outcome, { delivery, reason });
    } catch (thrown) {
      emit('error', { source: transport, reason: thrown });
    }
  };

  const end = (): void => {
    ended ??= aborted(`The subscription ${name}`);
    for (const controller of watched) controller.abort(ended);
  };

  const handBack = async (deadline: number): Promise<void> => {
    const at = shares(deadline);
    await attempt(name, at(0.3), () => consumer?.stop());
    await drained(session.inFlight, at(0.75));
    end();
    await drained(session.inFlight, at(0.85));
    await attempt(name, deadline, () => consumer?.close(deadline));
    closed = true;
  };

  const session: Session = {
    transport,
    group,
    handlers,
    logger,
    deliver(batch, settleTransport) {
      if (!inFlight) seen = -1;
      inFlight += batch.length;
      counts.delivered += batch.length;
      for (const delivery of batch) {
        delivery._session = session;
        delivery._settle = settleTransport;
      }
      try {
        path(batch, settle);
      } catch (thrown) {
        for (const delivery of batch) session.fail(delivery, thrown);
      }
    },
    fail(delivery, thrown) {
      if (originOf(delivery)._settle) settle(delivery, asReason(thrown));
    },
    watch(controller) {
      watched.add(controller);
      if (ended) end();
    },
    ended: () => !!ended,
    async open(subscribe) {
      await finish(name, Date.now() + startTimeoutMs, async () => {
        consumer = await subscribe();
        // It came too late, and nobody waits for it any more.
        if (ended) await handBack(Date.now() + 1000);
      });
      if (ended) throw ended;
    },
    close(deadline) {
      closing ??= handBack(deadline);
      return closing;
    },
    inFlight: () => inFlight,
    stalledMs: () => {
      if (!inFlight || settlements !== seen) since = Date.now();
      seen = settlements;
      return Date.now() - since;
    },
  };
  return session;
};
