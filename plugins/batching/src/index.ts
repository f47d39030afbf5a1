export { type BatchingApi, batching, type MemoryStats } from './batching.ts';
export type { FailedEvent } from './failures.ts';
export type { BatchingOptions } from './options.ts';
