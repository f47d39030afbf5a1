import { type NetworkProxy, openProxy, type ProxyTarget } from './proxy.ts';
import { ReplicationLink, type ReplicationWeather } from './replication-link.ts';

/** A proxy before a Redis server, without TLS, that tells its replicas from its clients. */
export interface ReplicationProxy extends NetworkProxy {
  /**
   * Holds back every byte between this server and its replicas, on links of the moment and on new ones. Clients and
   * sentinels go on unhindered.
   */
  cutReplication(): void;
  /** Delivers what was held back and goes on. */
  healReplication(): void;
  /** How many milliseconds each byte of replication takes longer, in each direction, from now on. 0: none. */
  replicationDelay(ms: number): void;
}

/** Starts such a proxy to `target`. Rejects with `EVENTS_SERVICE_UNAVAILABLE` when there is no free loopback port. */
export const replicationProxy = async (target: ProxyTarget): Promise<ReplicationProxy> => {
  const weather: ReplicationWeather = { cut: false, delayMs: 0 };
  const links = new Set<ReplicationLink>();
  const between = await openProxy(target, (near, far, closed) => {
    const link = new ReplicationLink(near, far, weather, () => {
      links.delete(link);
      closed();
    });
    links.add(link);
    return link;
  });
  const cut = (yes: boolean): void => {
    weather.cut = yes;
    for (const link of links) link.update();
  };
  return {
    ...between,
    cutReplication: () => cut(true),
    healReplication: () => cut(false),
    replicationDelay(ms) {
      weather.delayMs = ms;
    },
  };
};
