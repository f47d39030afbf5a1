import { isIP } from 'node:net';
import { EventsError } from '@logistically/events-kernel';
import { type EngineOptions, isDuration, MAX_MS, type Settings, settingsOf } from './options.ts';

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** `{ '10.0.0.1:6379': { host, port } }`, or a function. One that throws, or gives no { host, port }, leaves the address as it is. */
export type NatMap = Readonly<Record<string, Address>> | ((address: string) => Address | undefined);

/** What can be told a transport whose servers take over from one another. */
export interface FailoverOptions extends Omit<EngineOptions, 'timeoutMs'> {
  /** How long a connection may take to be made, in ms. Default 5000. */
  readonly connectionTimeout?: number;
  /** How long a server may take for an answer, in ms. Default 3000. */
  readonly commandTimeout?: number;
  /** Follow what another server takes over. Default true. */
  readonly enableFailover?: boolean;
  /**
   * How long an event that no server takes waits for the next master, beyond `commandTimeout`: `maxRetries × retryDelay` ms.
   * Default `{ enabled: true, maxRetries: 3, retryDelay: 1000 }`.
   */
  readonly failoverRecovery?: {
    readonly enabled?: boolean;
    readonly maxRetries?: number;
    readonly retryDelay?: number;
  };
  /** Where addresses that servers tell can be reached from here, as where there is NAT between. */
  readonly natMap?: NatMap;
}

/** The options with their defaults, checked. */
interface FailoverSettings {
  readonly engine: Settings;
  readonly connectMs: number;
}

const isPort = (port: unknown): boolean => Number.isInteger(port) && Number(port) > 0 && Number(port) < 65_536;

/** A name or an IP address, and not a URL, nor one with its port. */
const isHost = (host: unknown): boolean =>
  typeof host === 'string' && (isIP(host) > 0 || (host !== '' && !/[\s/@:]/.test(host)));

const isAddress = (given: Partial<Address> | null | undefined): given is Address =>
  isHost(given?.host) && isPort(given?.port);

export const refusal = (transport: string, what: string): EventsError =>
  new EventsError('EVENTS_CONFIG', `${transport}: ${what}.`);

/** The addresses that an option gives, each with a port. Throws `EVENTS_CONFIG`. */
export const addressesOf = (
  transport: string,
  option: string,
  given: readonly { readonly host: string; readonly port?: number }[],
  defaultPort: number,
): readonly Address[] => {
  if (!Array.isArray(given) || given.length === 0)
    throw refusal(transport, `\`${option}\` needs one { host, port } at least`);
  const addresses = given.map((node) => ({ host: node?.host, port: node?.port ?? defaultPort }));
  for (const address of addresses)
    if (!isAddress(address))
      throw refusal(
        transport,
        `\`${option}\` takes { host, port }: a name or an IP address, and a port from 1 to 65535`,
      );
  return addresses;
};

/** Throws `EVENTS_CONFIG` for what cannot be meant. `transport` is how errors call it, `name` how its user does. */
export const failoverSettingsOf = (transport: string, name: string, options: FailoverOptions): FailoverSettings => {
  const { connectionTimeout = 5000, commandTimeout = 3000 } = options;
  const { enableFailover = true, failoverRecovery = {}, natMap = {} } = options;
  if (typeof failoverRecovery !== 'object')
    throw refusal(transport, '`failoverRecovery` takes { enabled, maxRetries, retryDelay }');
  const { enabled = true, maxRetries = 3, retryDelay = 1000 } = failoverRecovery;
  for (const [option, value] of Object.entries({ connectionTimeout, commandTimeout }))
    if (!isDuration(value)) throw refusal(transport, `\`${option}\` must be a whole number of ms from 1 to ${MAX_MS}`);
  for (const [option, value] of Object.entries({ maxRetries, retryDelay }))
    if (value !== 0 && !isDuration(value))
      throw refusal(transport, `\`failoverRecovery.${option}\` must be a whole number from 0 to ${MAX_MS}`);
  for (const [option, value] of Object.entries({ enableFailover, 'failoverRecovery.enabled': enabled }))
    if (typeof value !== 'boolean') throw refusal(transport, `\`${option}\` is true or false`);
  if (typeof natMap !== 'function' && !Object.values(natMap).every(isAddress))
    throw refusal(
      transport,
      "`natMap` takes { '10.0.0.1:6379': { host, port } }, or a function that gives { host, port }",
    );
  const confirmMs = commandTimeout + (enabled ? maxRetries * retryDelay : 0);
  const engine = settingsOf(name, { ...options, timeoutMs: commandTimeout }, confirmMs);
  return { engine, connectMs: connectionTimeout };
};

/** The address under which a server that was told of can be reached from here. */
export const reachable = (natMap: NatMap | undefined, address: Address): Address => {
  const key = `${address.host}:${address.port}`;
  try {
    const mapped = typeof natMap === 'function' ? natMap(key) : natMap?.[key];
    return isAddress(mapped) ? mapped : address;
  } catch {
    // It is asked in the middle of a failover, where nobody could take its error.
    return address;
  }
};
