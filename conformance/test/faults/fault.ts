import type { Delivery, Path, Settle, Transport } from '@logistically/events-kernel';
import type { CertifyOptions } from '../../src/options.ts';
import { Broker } from '../transports/broker.ts';
import { BrokerTransport, type BrokerTransportOptions } from '../transports/broker-transport.ts';

/** A way in which a transport may be wrong, and the case that has to find it. */
export interface Fault {
  readonly name: string;
  readonly caughtBy: string;
  /** Makes a handle on the broken broker. */
  readonly factory: () => Transport;
  readonly options: CertifyOptions;
}

const LEASE_MS = 150;

type Breaking = (honest: BrokerTransport) => Transport;

interface Parts extends BrokerTransportOptions {
  /** The broker itself is broken. */
  readonly broker?: Broker;
  readonly options?: CertifyOptions;
}

/** The honest transport, broken in one place. */
export const fault = (name: string, caughtBy: string, breaking: Breaking, parts: Parts = {}): Fault => {
  const { broker = new Broker(), options, leaseMs = LEASE_MS, ...others } = parts;
  return {
    name,
    caughtBy,
    factory: () => breaking(new BrokerTransport(broker, { ...others, leaseMs })),
    options: {
      leaseMs: LEASE_MS,
      restart: async () => broker.restart(),
      crash: (transport) => (transport as BrokerTransport).die(),
      wipe: async () => broker.wipe(),
      freeze: async () => {
        broker.frozen = true;
        return () => {
          broker.frozen = false;
        };
      },
      ...options,
    },
  };
};

/** The broker is at fault, its transport is honest. */
export const brokerFault = (name: string, caughtBy: string, broker: Broker, parts: Parts = {}): Fault =>
  fault(name, caughtBy, (honest) => honest, { ...parts, broker });

/** The same transport with some of it replaced. */
export const but = (honest: BrokerTransport, changes: Partial<Transport>): Transport => ({ ...honest, ...changes });

/** Deliveries pass through `change` on their way to the kernel. */
export const delivering =
  (change: (deliver: Path<Delivery>) => Path<Delivery>): Breaking =>
  (honest) =>
    but(honest, { subscribe: (subscription, deliver) => honest.subscribe(subscription, change(deliver)) });

/** Settlements pass through `change` on their way to the transport. */
export const settling = (change: (settle: Settle<Delivery>, delivery: Delivery, reason: unknown) => void): Breaking =>
  delivering((deliver) => (batch, settle) => deliver(batch, (delivery, reason) => change(settle, delivery, reason)));
