import { once } from 'node:events';
import { connect, createServer, type Server } from 'node:net';
import { LOOPBACK, withFreePort } from './free-port.ts';
import { DirectLink, type LinkFactory, type NetworkLink } from './network-link.ts';

/** Where a proxy leads to. A `url` lends its scheme and credentials to the proxy's own. */
export interface ProxyTarget {
  readonly host: string;
  readonly port: number;
  readonly url?: string;
}

/** A TCP proxy on loopback that can be made to misbehave as networks do. */
export interface NetworkProxy extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  /** The target's URL with the proxy's address in it. */
  readonly url: string;
  /** Closes all connections of the moment. New ones are accepted. */
  cut(): void;
  /** Refuses new connections. Those of the moment live on. */
  refuse(): Promise<void>;
  /** Accepts connections again. */
  accept(): Promise<void>;
  /**
   * Half-open: connections stay, new ones are accepted, and no byte, no end and no reset comes through in either
   * direction.
   */
  stall(): void;
  /** Delivers what was held back and goes on. */
  resume(): void;
  /** Closes everything. May be called more than once. */
  stop(): Promise<void>;
}

const listenOn = async (server: Server, port: number): Promise<void> => {
  server.listen({ port, host: LOOPBACK, exclusive: true });
  await once(server, 'listening');
  server.unref();
};

const urlThrough = (target: ProxyTarget, port: number): string => {
  const url = new URL(target.url ?? `redis://${target.host}:${target.port}`);
  url.hostname = LOOPBACK;
  url.port = String(port);
  return url.href;
};

/** Starts a proxy to `target`. Rejects with `EVENTS_SERVICE_UNAVAILABLE` when there is no free loopback port. */
export const proxy = (target: ProxyTarget): Promise<NetworkProxy> =>
  openProxy(target, (near, far, closed) => new DirectLink(near, far, closed));

/** {@link proxy} with links of another kind. */
export const openProxy = async (target: ProxyTarget, linkOf: LinkFactory): Promise<NetworkProxy> => {
  const links = new Set<NetworkLink>();
  let stalled = false;

  // Without delay: else a proxy would hold back small writes for some 40 ms that their sender did not want held back.
  const sockets = { allowHalfOpen: true, noDelay: true };
  const server = createServer(sockets, (near) => {
    const far = connect({ host: target.host, port: target.port, ...sockets });
    const link = linkOf(near, far, () => links.delete(link));
    links.add(link);
    if (!stalled) link.resume();
  });
  const port = await withFreePort(async (candidate) => {
    try {
      await listenOn(server, candidate);
      return candidate;
    } catch {
      return undefined;
    }
  });

  const cut = (): void => {
    for (const link of links) link.close();
  };
  const refuse = async (): Promise<void> => {
    server.close();
  };
  const stop = async (): Promise<void> => {
    await refuse();
    cut();
  };

  return {
    host: LOOPBACK,
    port,
    url: urlThrough(target, port),
    cut,
    refuse,
    async accept() {
      if (!server.listening) await listenOn(server, port);
    },
    stall() {
      stalled = true;
      for (const link of links) link.stall();
    },
    resume() {
      stalled = false;
      for (const link of links) link.resume();
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
};
