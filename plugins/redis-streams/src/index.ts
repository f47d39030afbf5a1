export { type AclOptions, aclRule, type Role } from './acl.ts';
export type { ConnectionPurpose } from './connection.ts';
export type { Credentials, RedisStreamsOptions, Replicas, Retention } from './options.ts';
export { redisStreams } from './redis-streams.ts';
export type { RedisStreamsCapabilities } from './transport.ts';
