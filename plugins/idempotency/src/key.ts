import { createHash } from 'node:crypto';
import { type Delivery, type Envelope, EventsError, type HandlerContext } from '@logistically/events-kernel';

/** What makes two events the same: a name for both of them. */
export type EventKey = 'id' | 'hash' | ((event: Envelope, delivery: HandlerContext) => string);

/** Room for a type and an id. */
const MAX_LENGTH = 300;
const PLAIN = /^[\w.:@-]+$/;

/** Plain and short keys as they are, others by their SHA-256: no key of a user is longer, or means more, than itself. */
const bounded = (key: string): string => {
  if (typeof key !== 'string' || key === '')
    throw new EventsError(
      'EVENTS_IDEMPOTENCY_KEY',
      '`by` made no key of an event: return a text, and not an empty one.',
      { permanent: true },
    );
  if (key.length <= MAX_LENGTH && PLAIN.test(key)) return key;
  // UTF-8 has but one way to write all that is no well-formed text.
  return `#${createHash('sha256').update(key, 'utf16le').digest('hex')}`;
};

export const isEventKey = (by: unknown): by is EventKey => by === 'id' || by === 'hash' || typeof by === 'function';

/** Names an event within its group. Throws `EVENTS_IDEMPOTENCY_KEY`. */
export const eventKey =
  (by: EventKey) =>
  (event: Envelope, delivery: HandlerContext): string =>
    // Of foreign producers more is not to be hoped for than that an id is unique within a type.
    bounded(typeof by === 'function' ? by(event, delivery) : `${event.header.type}:${event.header[by]}`);

/** Names the key of a delivery in the store. */
export const consumeKey = (by: EventKey): ((delivery: Delivery) => string) => {
  const keyOf = eventKey(by);
  return (delivery) => `once/${delivery.group}/${keyOf(delivery.envelope as Envelope, delivery)}`;
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
