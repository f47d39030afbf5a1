export type { InboxClient, InboxConnection, InboxPool, InboxResult } from './connection.ts';
export {
  type IdempotencyApi,
  type IdempotencyNeeds,
  type IdempotencyOptions,
  type IdempotencyStats,
  idempotency,
  type ProduceOptions,
} from './idempotency.ts';
export { type Inbox, type InboxOptions, postgresInbox } from './inbox.ts';
export type { EventKey, PublishKey } from './key.ts';
