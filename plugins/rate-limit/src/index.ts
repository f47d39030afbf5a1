export type { Limit, RateLimitOptions } from './options.ts';
export { type RateLimitNeeds, rateLimit } from './rate-limit.ts';
