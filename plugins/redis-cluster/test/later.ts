import type { Delay, Middleware } from '@logistically/events-kernel';

/** Publishes the events of one type with a delay of 100 ms. */
export const later = (delay: Delay, type: string): Middleware => ({
  kind: 'middleware',
  name: 'later',
  publish: {
    stage: 'encode',
    layer: (next) => (batch, settle) => {
      const delayed = batch.filter((event) => event.type === type);
      if (delayed.length > 0) delay.publishAt(Date.now() + 100, delayed, settle);
      const others = batch.filter((event) => event.type !== type);
      if (others.length > 0) next(others, settle);
    },
  },
});
