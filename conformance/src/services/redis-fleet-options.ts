import { EventsError } from '@logistically/events-kernel';
import type { RedisOptions } from './redis-options.ts';
import type { RedisFleetSource } from './redis-server-command.ts';
import type { RedisTlsOptions } from './redis-tls.ts';

export interface RedisLogin {
  readonly username: string;
  readonly password: string;
}

/** What every set-up of several servers can be given. */
export interface RedisFleetOptions
  extends Pick<RedisOptions, 'appendonly' | 'appendfsync' | 'args' | 'password' | 'users'> {
  /** As whom replicas log in to their master. Default: as the user `default` with `password`. */
  readonly replicationLogin?: RedisLogin;
  /** Everything listens with TLS and with nothing else; `true` is `{}`. Default false. */
  readonly tls?: boolean | Omit<RedisTlsOptions, 'shows'>;
  /**
   * Everybody reaches every data node through a proxy of its own: clients, replicas, sentinels and those that are
   * redirected. Opens `cutReplication` and `node.network`. Not together with `tls`. Default false.
   */
  readonly proxied?: boolean;
  /** The sources of `redis-server` to try, in this order. Default: binary, package. */
  readonly sources?: readonly RedisFleetSource[];
}

/** Throws `EVENTS_SERVICE_UNSUPPORTED` for options that exclude each other. */
export const checkFleetOptions = ({ proxied, tls }: RedisFleetOptions): void => {
  if (proxied && tls) {
    throw new EventsError(
      'EVENTS_SERVICE_UNSUPPORTED',
      'A proxy cannot tell replicas from clients by what is encrypted. Take either proxied or tls.',
    );
  }
};
