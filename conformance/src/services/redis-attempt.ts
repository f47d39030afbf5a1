import type { RedisService } from './redis-service.ts';

/** What became of asking one source for a server: a server, or the reason why there is none. */
export type RedisAttempt = { readonly service: RedisService } | { readonly reason: string };
