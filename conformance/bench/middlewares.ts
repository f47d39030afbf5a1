import { type Delivery, filter, type Layer, type Middleware } from '@logistically/events-kernel';

/** Counts what goes in and what comes out, as metrics do. */
const observe: Layer<Delivery> = (next) => {
  const counts = { delivered: 0, done: 0, failed: 0 };
  return (batch, settle) => {
    counts.delivered += batch.length;
    next(batch, (delivery, reason) => {
      if (reason === undefined) counts.done++;
      else counts.failed++;
      settle(delivery, reason);
    });
  };
};

/** Looks at every body, as a validator does. */
const validate: Layer<Delivery> = filter(({ envelope }) => typeof envelope?.body === 'object');

/** Looks at every header, as a router does. */
const route: Layer<Delivery> = filter(({ envelope }) => envelope?.header.origin === 'bench');

/** Three synchronous middlewares that each touch every delivery and let all of them pass. */
export const touching = (): readonly Middleware[] => [
  { kind: 'middleware', name: 'observe', consume: { stage: 'observe', layer: observe } },
  { kind: 'middleware', name: 'validate', consume: { stage: 'validate', layer: validate } },
  { kind: 'middleware', name: 'route', consume: { stage: 'filter', layer: route } },
];
