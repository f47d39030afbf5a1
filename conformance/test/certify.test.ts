import { describe } from 'vitest';
import { certify } from '../src/index.ts';
import { Broker } from './transports/broker.ts';
import { BrokerTransport } from './transports/broker-transport.ts';
import { poor } from './transports/poor.ts';

describe('an honest transport with every capability', () => {
  const broker = new Broker();
  certify(() => new BrokerTransport(broker), {
    leaseMs: 250,
    restart: async () => broker.restart(),
    crash: (transport) => (transport as BrokerTransport).die(),
    wipe: async () => broker.wipe(),
    freeze: async () => {
      broker.frozen = true;
      return () => {
        broker.frozen = false;
      };
    },
  });
});

describe('an honest transport with none', () => {
  certify(poor);
});
