// Has a sentinel set-up and a cluster when services-sentinel.test.ts kills it.
import { redisCluster, redisSentinel } from '../src/services/index.ts';
import { remainsOf } from './services-fleet.ts';

const [sentinel, cluster] = await Promise.all([redisSentinel({ tls: true }), redisCluster({ proxied: true })]);
// Their servers do not keep it alive.
process.on('message', () => {});
process.send?.(await Promise.all([...sentinel.nodes, ...sentinel.sentinels, ...cluster.nodes].map(remainsOf)));
