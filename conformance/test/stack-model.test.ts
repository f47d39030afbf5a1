import fc from 'fast-check';
import { expect, test } from 'vitest';
import { faultsOf } from './stack/model.ts';
import { PLUGINS, type PluginName, type StackOptions } from './stack/plugins.ts';
import { type Step, type Story, World } from './stack/world.ts';

const RUNS = Number(process.env.EVENTS_STACK_RUNS ?? 1000);
const SETTLE_MS = 10_000;

const names = fc.shuffledSubarray([...PLUGINS]);

const options: fc.Arbitrary<StackOptions> = fc.record({
  retry: fc.record({
    maxAttempts: fc.integer({ min: 1, max: 4 }),
    baseDelayMs: fc.constant(1),
    maxDelayMs: fc.constant(3),
    backoff: fc.constantFrom('fixed', 'exponential', 'fibonacci'),
    timeoutMs: fc.constantFrom(1000, 5000),
  }),
  dlq: fc.record({ maxAttempts: fc.integer({ min: 1, max: 4 }), classification: fc.boolean().map(() => false) }),
  batching: fc.record({
    maxSize: fc.integer({ min: 1, max: 20 }),
    maxWaitMs: fc.integer({ min: 1, max: 4 }),
    strategy: fc.constantFrom('size', 'time', 'partition'),
    maxConcurrentBatches: fc.integer({ min: 1, max: 3 }),
  }),
  idempotency: fc.record(
    {
      by: fc.constant(({ body }: { readonly body: unknown }) => `key-${(body as { key: number }).key}`),
      leaseMs: fc.constant(2000),
      produce: fc.constant({ by: ({ body }: { readonly body: unknown }) => `key-${(body as { key: number }).key}` }),
    },
    { requiredKeys: ['by', 'leaseMs'] },
  ),
  rateLimit: fc.record({
    maxRequests: fc.integer({ min: 5, max: 100 }),
    timeWindowMs: fc.integer({ min: 5, max: 20 }),
    strategy: fc.constantFrom('sliding-window', 'token-bucket'),
    onLimit: fc.constantFrom('wait', 'reject'),
    maxQueued: fc.integer({ min: 5, max: 100 }),
  }),
});

const steps = (canDie: boolean): fc.Arbitrary<Step[]> =>
  fc.array(
    fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({
          do: fc.constant('publish' as const),
          count: fc.integer({ min: 1, max: 12 }),
          together: fc.boolean(),
          fate: fc.record({
            failures: fc.oneof(
              { weight: 3, arbitrary: fc.constant(0) },
              { weight: 2, arbitrary: fc.integer({ min: 1, max: 5 }) },
            ),
            // Without dead letters it would come back for ever.
            permanent: canDie ? fc.boolean() : fc.constant(false),
          }),
        }),
      },
      { weight: 2, arbitrary: fc.record({ do: fc.constant('repeat' as const), which: fc.nat({ max: 50 }) }) },
      { weight: 1, arbitrary: fc.constant<Step>({ do: 'join' }) },
      { weight: 1, arbitrary: fc.constant<Step>({ do: 'leave' }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 0, max: 5 }) }) },
    ),
    { minLength: 1, maxLength: 10 },
  );

const stories: fc.Arbitrary<Story> = names.chain((chosen: PluginName[]) =>
  fc.record({
    names: fc.constant(chosen),
    options,
    concurrency: fc.integer({ min: 1, max: 20 }),
    steps: steps(chosen.includes('dlq')),
  }),
);

/** At a time: most of what a run does is to wait. */
const LANES = 4;

test(`random stacks of the plugins do what the model says: ${RUNS} runs`, { timeout: 300_000 }, async () => {
  const property = fc.asyncProperty(stories, async (story) => {
    const world = new World(story);
    await world.join();
    for (const step of story.steps) await world.play(step);
    await world.settle(SETTLE_MS);
    const faults = await faultsOf(story, world);
    await world.stop();
    const left = world.reports.filter(({ unsettled, unpublished }) => unsettled + unpublished > 0);
    expect({ faults, left }).toEqual({ faults: [], left: [] });
  });
  const seed = Number(process.env.EVENTS_SEED ?? Math.floor(Math.random() * 2 ** 30));
  const lanes = Array.from({ length: LANES }, (_, lane) =>
    fc.assert(property, { numRuns: Math.ceil(RUNS / LANES), seed: seed + lane }),
  );
  await Promise.all(lanes);
});
