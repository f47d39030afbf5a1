import { type Certificates, certificates } from './certificates.ts';
import type { RedisTls } from './redis-address.ts';

export interface RedisTlsOptions {
  /** Default: made for this server and removed with it. */
  readonly certificates?: Certificates;
  /** Which of them the server shows. Default `server`. Servers that talk to one another refuse `expired`. */
  readonly shows?: 'server' | 'expired';
  /** Whether clients must show a certificate of the authority. Default false. */
  readonly authClients?: boolean;
}

/** TLS as a server and its clients are told it. */
interface TlsSetting {
  /** The arguments of a `redis-server` that listens on `port`, with TLS and with nothing else. */
  args(port: number): string[];
  /** What a client takes that the server lets in. */
  readonly client: RedisTls;
  /** The same for the observer, who does not mind what the server shows. */
  readonly observer: RedisTls;
  dispose(): Promise<void>;
}

/** Where a server listens: without TLS when it was not asked for. */
export const tlsSetting = (option: boolean | RedisTlsOptions | undefined): TlsSetting | undefined => {
  if (!option) return undefined;
  const { certificates: given, shows = 'server', authClients = false } = option === true ? {} : option;
  const made = given ?? certificates();
  const client: RedisTls = { ca: made.ca.cert, cert: made.client.cert, key: made.client.key };
  return {
    args: (port) => [
      ...['--port', '0', '--tls-port', String(port)],
      ...['--tls-cert-file', made[shows].certFile, '--tls-key-file', made[shows].keyFile],
      ...['--tls-ca-cert-file', made.ca.certFile, '--tls-auth-clients', authClients ? 'yes' : 'no'],
      ...['--tls-replication', 'yes'],
    ],
    client,
    observer: shows === 'expired' ? { ...client, rejectUnauthorized: false } : client,
    async dispose() {
      if (given === undefined) await made.stop();
    },
  };
};
