import {
  type Capabilities,
  type Delivery,
  EventsError,
  type Feature,
  type Middleware,
  type OutgoingEvent,
  originOf,
  type Store,
} from '@logistically/events-kernel';
import { Claims } from './claims.ts';
import { follow } from './follow.ts';
import { guard } from './guard.ts';
import { consumeKey, type EventKey, isEventKey, type PublishKey, publishKey } from './key.ts';

export interface IdempotencyOptions {
  /**
   * What makes two events the same: the id, type and body (`'hash'`), or what the function names them. Default `'id'`.
   */
  readonly by?: EventKey;
  /** How long a claim outlives a process that died with it, in ms; renewed while a handler works. Default 30 000. */
  readonly leaseMs?: number;
  /** How long it is remembered that an event was handled, in ms: longer than it may come back. Default 24 hours. */
  readonly ttlMs?: number;
  /** Keeps an event from being stored twice. Default: every event that is published is stored. */
  readonly produce?: ProduceOptions;
  /** Name of the transport whose store keeps the claims. Default: the first one that has a store. */
  readonly transport?: string;
}

export interface ProduceOptions {
  /** What makes two events that this service publishes the same; undefined: the event is like no other. */
  readonly by: PublishKey;
  /** How long it is remembered that an event was stored, in ms. Default 24 hours. */
  readonly ttlMs?: number;
}

/** What `idempotency` has met since the kernel was made. */
export interface IdempotencyStats {
  /** Deliveries of events that had been handled, settled without calling a handler. */
  readonly duplicates: number;
  /** Deliveries that met somebody else's claim and were sent back to wait. */
  readonly waits: number;
  /** Publishes of what had been stored, settled as done without being stored. */
  readonly published: number;
}

export interface IdempotencyApi {
  readonly idempotency: { readonly stats: () => IdempotencyStats };
}

export interface IdempotencyNeeds extends Capabilities {
  readonly store: Store;
}

const DAY_MS = 24 * 60 * 60 * 1000;
const MIN_LEASE_MS = 20;

const check = (holds: boolean, message: string): void => {
  if (!holds) throw new EventsError('EVENTS_CONFIG', `idempotency(): ${message}`);
};

/**
 * Handles an event once per group. Throws `EVENTS_CONFIG`. Settles with `EVENTS_IDEMPOTENCY_BUSY` (somebody else is at work),
 * `EVENTS_IDEMPOTENCY_STORE` (the store did not tell) or `EVENTS_IDEMPOTENCY_KEY` (`by` made no key); aborts with
 * `EVENTS_IDEMPOTENCY_LOST`.
 */
export const idempotency = (options: IdempotencyOptions = {}): Feature<IdempotencyApi, IdempotencyNeeds> => {
  const { by = 'id', leaseMs = 30_000, ttlMs = DAY_MS, produce, transport } = options;
  check(isEventKey(by), "`by` must be 'id', 'hash' or a function.");
  check(Number.isFinite(leaseMs) && leaseMs >= MIN_LEASE_MS, `\`leaseMs\` must be ${MIN_LEASE_MS} or more, in ms.`);
  check(Number.isFinite(ttlMs) && ttlMs >= leaseMs, '`ttlMs` must be as long as `leaseMs` or longer, in ms.');
  const sentTtlMs = produce?.ttlMs ?? DAY_MS;
  check(produce === undefined || typeof produce.by === 'function', '`produce.by` must be a function.');
  check(Number.isFinite(sentTtlMs) && sentTtlMs >= leaseMs, '`produce.ttlMs` must be `leaseMs` or longer, in ms.');
  return {
    kind: 'feature',
    name: 'idempotency',
    requires: ['store'],
    ...(transport !== undefined && { transport }),
    setup: (host) => {
      const { emit } = host;
      const store = (): Store => host.transport().capabilities.store;
      const stats = { duplicates: 0, waits: 0, published: 0 };
      const claims = new Claims({ store, emit, leaseMs, ttlMs });
      const sent = new Claims({ store, emit, leaseMs, ttlMs: sentTtlMs });
      const consumeKeyOf = consumeKey(by);
      /** By the name of the transport: what is asked for each delivery. */
      const applying = new Map<string, boolean>();

      const consume: NonNullable<Middleware['consume']> = {
        stage: 'once',
        layer: guard<Delivery>({
          claims,
          claimOf: (delivery, now) => claims.create(consumeKeyOf(delivery), now, originOf(delivery)),
          originOf,
          // Without groups each subscription is to get every event: none of them is another's duplicate.
          applies: ({ transport: name }) => {
            const known = applying.get(name);
            if (known !== undefined) return known;
            const carrier = host.transports().find((each) => each.name === name);
            const applies = !carrier || carrier.capabilities.groups === true;
            applying.set(name, applies);
            return applies;
          },
          emit,
          onDuplicate: (delivery) => {
            stats.duplicates++;
            emit('notice', { plugin: 'idempotency', what: 'duplicate', detail: delivery.toJSON() });
          },
          onWait: () => stats.waits++,
        }),
      };

      const publishOf = ({ by: byOf }: ProduceOptions): NonNullable<Middleware['publish']> => {
        const keyOf = publishKey(byOf, host.service);
        const onDuplicate = ({ type, topic }: OutgoingEvent): void => {
          stats.published++;
          emit('notice', { plugin: 'idempotency', what: 'published', detail: { type, topic } });
        };
        const once = guard<OutgoingEvent>({
          claims: sent,
          claimOf: (event, now) => sent.create(keyOf(event) as string, now),
          originOf: (event) => event,
          applies: (event) => keyOf(event) !== undefined,
          emit,
          onDuplicate,
          onWait: () => {},
        });
        return { stage: 'route', layer: (next) => follow(keyOf, onDuplicate)(once(next)) };
      };

      host.use({
        kind: 'middleware',
        name: 'idempotency',
        ...(produce && { publish: publishOf(produce) }),
        consume,
      });
      host.on('unsubscribed', () => claims.releaseAborted());
      host.onStop(async () => {
        await Promise.all([claims.close(), sent.close()]);
      });
      return { idempotency: { stats: () => ({ ...stats }) } };
    },
  };
};
