import assert from 'node:assert/strict';
import type { Capabilities, Feature } from '@logistically/events-kernel';
import { numbers } from '../bodies.ts';
import type { Case, Need } from '../case.ts';
import { outgoingEvents } from '../outgoing.ts';

/** The methods of each capability that is an object, and the values of those that are not. */
const SHAPES: { readonly [K in keyof Required<Capabilities>]: readonly string[] | readonly unknown[] } = {
  durable: ['process', 'server'],
  groups: [true],
  order: ['topic', 'partition'],
  log: ['read', 'topics'],
  store: ['get', 'set', 'delete', 'setIfAbsent', 'setMany', 'compareAndSet', 'increment', 'lease'],
  delay: ['publishAt'],
  handoff: ['move'],
  inspect: ['topic'],
};
const LITERALS: readonly string[] = ['durable', 'groups', 'order'];

const refused = (capability: keyof Capabilities): Case => ({
  id: `absent/${capability}-is-refused`,
  clause: capability,
  title: `a feature that requires ${capability} is refused at start`,
  absent: capability,
  async run(context) {
    const node = await context.node();
    await node.stop();
    const feature: Feature = { kind: 'feature', name: 'probe', requires: [capability as never], setup: () => ({}) };
    node.kernel.use(feature);
    await assert.rejects(node.kernel.start(), { code: 'EVENTS_MISSING_CAPABILITY' });
  },
});

export const lifecycleCases: readonly Case[] = [
  {
    id: 'lifecycle/capabilities',
    clause: 'contract',
    title: 'every declared capability has the shape of its contract',
    async run({ claims: { capabilities } }) {
      for (const [name, value] of Object.entries(capabilities)) {
        if (value === undefined) continue;
        const shape = SHAPES[name as keyof Capabilities] as readonly string[] | undefined;
        assert(shape, `${name} is no capability`);
        if (LITERALS.includes(name))
          assert(shape.includes(value), `${name} must be one of ${shape}, not ${String(value)}`);
        else
          for (const method of shape) assert.equal(typeof value?.[method], 'function', `${name}.${method} is missing`);
      }
    },
  },
  {
    id: 'lifecycle/close-unopened',
    clause: 'contract',
    title: 'closing a transport that was never opened resolves',
    async run(context) {
      const transport = await context.handle();
      await transport.close(Date.now() + context.settings.timeoutMs);
    },
  },
  {
    id: 'lifecycle/reopens',
    clause: 'contract',
    title: 'a transport that was closed can be opened again, and works',
    needs: ['subscribe'],
    async run(context) {
      const node = await context.node();
      const arrivals = await node.collect(context.type(), { group: context.group() });
      await node.publish(context.type(), 1);
      await context.until(() => arrivals.done.length === 1, 'the event before closing is handled');
      await node.stop();
      await node.start();
      await node.publish(context.type(), 2);
      await context.until(() => arrivals.done.includes(2), 'the event after reopening is handled');
      assert.deepEqual(arrivals.bodies, [1, 2]);
    },
  },
  {
    id: 'lifecycle/publish-after-close',
    clause: 'contract',
    title: 'what is published to a closed transport is settled with a reason, each event once',
    async run(context) {
      const node = await context.node();
      await node.publish(context.type(), 0);
      const type = context.type();
      const batch = await outgoingEvents(
        node.handle.name,
        numbers(3).map((body) => ({ type, body })),
      );
      await node.stop();
      const reasons = new Map<unknown, unknown[]>(batch.map((event) => [event, []]));
      try {
        node.handle.publish(batch, (event, reason) => reasons.get(event)?.push(reason));
      } catch {
        // The kernel settles for a path that throws.
        return;
      }
      await context.until(() => [...reasons.values()].every(({ length }) => length > 0), 'all are settled');
      for (const settled of reasons.values()) {
        assert.equal(settled.length, 1, 'settled once');
        assert(settled[0] !== undefined, 'a closed transport has confirmed an event');
      }
    },
  },
  {
    id: 'lifecycle/health',
    clause: 'C12',
    title: 'health finds nothing wrong while all is well, with traffic and without',
    async run(context) {
      const node = await context.node();
      assert.deepEqual((await node.kernel.health()).problems, []);
      if (context.claims.has('subscribe')) {
        const arrivals = await node.collect(context.type(), { group: context.group() });
        await node.publishAll(context.type(), numbers(10));
        await context.until(() => arrivals.done.length === 10, 'ten events are handled');
      } else await node.publishAll(context.type(), numbers(10));
      assert.deepEqual((await node.kernel.health()).problems, []);
    },
  },
  {
    id: 'absent/subscribe-is-refused',
    clause: 'contract',
    title: 'a transport that only publishes refuses a subscription',
    absent: 'subscribe',
    async run(context) {
      const node = await context.node();
      await assert.rejects(
        node.kernel.subscribe(context.type(), () => {}),
        { code: 'EVENTS_MISSING_CAPABILITY' },
      );
    },
  },
  ...(Object.keys(SHAPES) as (Need & keyof Capabilities)[]).map(refused),
];
