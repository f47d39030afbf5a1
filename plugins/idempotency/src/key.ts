import { createHash } from 'node:crypto';
import { type Delivery, type Envelope, EventsError } from '@logistically/events-kernel';

/** What makes two events the same: a name for both of them. */
export type EventKey = 'id' | 'hash' | ((event: Envelope, delivery: Delivery) => string);

/** Room for a type and an id. */
const MAX_LENGTH = 300;
const PLAIN = /^[\w.:@-]+$/;

/** Plain and short keys as they are, others by their SHA-256: no key of a user is longer, or means more, than itself. */
const bounded = (key: string): string => {
  if (typeof key !== 'string' || key === '')
    throw new EventsError(
      'EVENTS_IDEMPOTENCY_KEY',
      '`by` made no key of an event: return a text, and not an empty one.',
      {
        permanent: true,
      },
    );
  return key.length <= MAX_LENGTH && PLAIN.test(key) ? key : `#${createHash('sha256').update(key).digest('hex')}`;
};

/** Names the key of a delivery in the store. */
export const consumeKey = (by: EventKey): ((delivery: Delivery) => string) => {
  const keyOf = (delivery: Delivery): string => {
    const event = delivery.envelope as Envelope;
    if (typeof by === 'function') return by(event, delivery);
    // Of foreign producers more is not to be hoped for than that an id is unique within a type.
    return `${event.header.type}:${event.header[by]}`;
  };
  return (delivery) => `once/${delivery.group}/${bounded(keyOf(delivery))}`;
};

/** Names an event that goes out; undefined: it is like no other. */
export type PublishKey = (event: Envelope) => string | undefined;

/** Names the key of an event that goes out in the store. */
export const publishKey =
  (by: PublishKey, service: string): ((event: Envelope) => string | undefined) =>
  (event) => {
    const key = by(event);
    return key === undefined ? undefined : `sent/${service}/${bounded(key)}`;
  };
