import { inspect } from 'node:util';
import { isEventsError, type LifecycleEvents } from '@logistically/events-kernel';
import { expect } from 'vitest';
import type { Node } from './node.ts';

/** Stands for every password of these tests. */
export const CANARY = 'canary-5ecret';

const TYPES = ['connected', 'disconnected', 'error', 'notice', 'recovered', 'stopped'] as const;

const everything = (value: unknown): string =>
  inspect(value, { depth: Number.POSITIVE_INFINITY, showHidden: true, maxStringLength: null, maxArrayLength: null });

/** Looks for the secret in what a node has logged and told, in its health, and in `said`. */
export const expectNoSecret = async (node: Node, ...said: readonly unknown[]): Promise<void> => {
  const told = TYPES.map((type: keyof LifecycleEvents) => node.hears(type));
  const failed = node.hears('publishFailed').map(({ reason }) => reason);
  const health = await node.kernel.health();
  const stacks = said.map((each) => (each instanceof Error ? each.stack : undefined));
  expect(everything([said, stacks, told, failed, health, node.logged])).not.toContain(CANARY);
};

/** Starts a node that cannot start. Returns why, after the secret was looked for in all that it said. */
export const failureOf = async (node: Node): Promise<Error & { readonly code: string }> => {
  const reason: unknown = await node.kernel.start().then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(isEventsError(reason)).toBe(true);
  await expectNoSecret(node, reason);
  return reason as Error & { readonly code: string };
};
