import { EventsError } from '@logistically/events-kernel';

/** Whether a server refused because it is no node of a cluster. */
export const isNoCluster = (error: EventsError): boolean => error.message.includes('cluster support disabled');

export const notACluster = (): EventsError =>
  new EventsError(
    'EVENTS_REDIS_CLUSTER_DISABLED',
    'This server is no node of a cluster: use redisStreams or redisSentinel for it.',
  );

export const notFormed = (): EventsError =>
  new EventsError(
    'EVENTS_REDIS_CLUSTER_NOT_FORMED',
    'No node of the cluster has slots: create the cluster first (redis-cli --cluster create).',
  );

export const unreachable = (node: string, cause: Error): EventsError =>
  new EventsError(
    'EVENTS_REDIS_CLUSTER_NODE_UNREACHABLE',
    `The cluster names ${node}, which cannot be reached from here: ${cause.message} Behind NAT, set \`natMap\`.`,
    { cause },
  );
