export {
  type IdempotencyApi,
  type IdempotencyNeeds,
  type IdempotencyOptions,
  type IdempotencyStats,
  idempotency,
  type ProduceOptions,
} from './idempotency.ts';
export {
  type Inbox,
  type InboxClient,
  type InboxConnection,
  type InboxOptions,
  type InboxPool,
  type InboxResult,
  postgresInbox,
} from './inbox.ts';
export type { EventKey, PublishKey } from './key.ts';
