import type { DeadLetter } from '@logistically/events-dlq';
import { dlq } from '@logistically/events-dlq';
import { createKernel } from '@logistically/events-kernel';
import { redisStreams } from '@logistically/events-redis-streams';
import { type Order, SERVICE, TOPIC } from './order.ts';

interface Contents {
  /** The orders, one for each time that they were stored. */
  readonly stored: readonly Order[];
  /** Entries that are no events. */
  readonly foreign: number;
}

/** Looks at a topic and its dead letters and touches neither. */
export interface Observer {
  readonly contents: () => Promise<Contents>;
  readonly letters: () => Promise<readonly DeadLetter[]>;
  /** Events that are not settled in the group of the service. */
  readonly left: () => Promise<number>;
  readonly close: () => Promise<unknown>;
}

export const openObserver = async (url: string): Promise<Observer> => {
  const transport = redisStreams({ url });
  const kernel = await createKernel({ service: 'observer' })
    .use(transport)
    .use(dlq({ audit: false }))
    .start();
  const { log, inspect } = transport.capabilities;
  return {
    async contents() {
      const stored: Order[] = [];
      let foreign = 0;
      let from = 'earliest';
      for (;;) {
        const page = await log.read(TOPIC, { from, limit: 1000 });
        for (const { payload } of page) {
          try {
            stored.push((JSON.parse(payload.toString()) as { readonly body: Order }).body);
          } catch {
            foreign++;
          }
        }
        const last = page.at(-1);
        if (!last) return { stored, foreign };
        from = last.cursor;
      }
    },
    async letters() {
      const letters: DeadLetter[] = [];
      let after: string | undefined;
      do {
        const page = await kernel.dlq.list({ topic: TOPIC, limit: 1000, ...(after !== undefined && { after }) });
        letters.push(...page.letters);
        after = page.next;
      } while (after !== undefined);
      return letters;
    },
    async left() {
      const { partitions } = await inspect.topic(TOPIC);
      const groups = partitions.flatMap(({ groups }) => groups).filter(({ group }) => group === SERVICE);
      return groups.reduce((sum, { lag = 0, pending }) => sum + lag + pending, 0);
    },
    close: () => kernel.stop(),
  };
};
