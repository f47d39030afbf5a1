import { derive, type Feature, type Log, type Middleware, transform } from '@logistically/events-kernel';
import { describe } from 'vitest';
import { certify } from '../src/index.ts';
import { Broker } from './transports/broker.ts';
import { BrokerTransport } from './transports/broker-transport.ts';
import { poor } from './transports/poor.ts';

describe('an honest transport with every capability', () => {
  const broker = new Broker();
  certify(() => new BrokerTransport(broker), {
    leaseMs: 500,
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

describe('an honest transport through layers', () => {
  const broker = new Broker();
  const copying: Middleware = {
    kind: 'middleware',
    name: 'copying',
    publish: { stage: 'enrich', layer: transform((event) => derive(event, {})) },
    consume: { stage: 'filter', layer: transform(async (delivery) => derive(delivery, {})) },
  };
  const feature: Feature<object, { log: Log }> = {
    kind: 'feature',
    name: 'listening',
    requires: ['log'],
    setup: ({ use }) => {
      use({ kind: 'middleware', name: 'transparent', consume: { stage: 'observe', layer: (next) => next } });
      return {};
    },
  };
  certify(() => new BrokerTransport(broker), { leaseMs: 500, through: () => [copying, feature] });
});
