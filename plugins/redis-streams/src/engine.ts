// What redis-cluster and redis-sentinel are made of: the same transport, on other servers.
export type { Command, Commands } from './commands.ts';
export { Connection, type ConnectionOptions, type ConnectionPurpose, clientOptions } from './connection.ts';
export type { Endpoint } from './dialer.ts';
export { checkReplicas } from './durability.ts';
export { connectionLost, isRefusal, type RedisReplyError, replyError } from './error.ts';
export {
  type Address,
  addressesOf,
  type FailoverOptions,
  failoverSettingsOf,
  type NatMap,
  reachable,
  refusal,
} from './failover.ts';
export { serverProblem } from './health.ts';
export { loginOf } from './login.ts';
export { type Credentials, type EngineOptions, type Replicas, type Settings, settingsOf } from './options.ts';
export type { Cover } from './replication.ts';
export { createSingle } from './single.ts';
export { slotOf } from './slot.ts';
export type { ConnectionListener, Topology, TopologyListener } from './topology.ts';
export { createTransport, type RedisStreamsCapabilities } from './transport.ts';
export { versionOf } from './version.ts';
