import { batching } from '@logistically/events-batching';
import { dlq } from '@logistically/events-dlq';
import { idempotency } from '@logistically/events-idempotency';
import type { Feature } from '@logistically/events-kernel';
import { rateLimit } from '@logistically/events-rate-limit';
import { retry } from '@logistically/events-retry';

export type AnyFeature = Feature<object, never>;

const makers = { retry, dlq, batching, idempotency, rateLimit };

export type PluginName = keyof typeof makers;
export type StackOptions = { readonly [Name in PluginName]?: Parameters<(typeof makers)[Name]>[0] };

export const PLUGINS = Object.keys(makers) as readonly PluginName[];

/** The plugins of these names, in this order. */
export const stackOf = (names: readonly PluginName[], options: StackOptions = {}): readonly AnyFeature[] =>
  names.map((name) => (makers[name] as (options: unknown) => AnyFeature)(options[name] ?? {}));

/** Every order of some things. */
export const permutations = <T>(things: readonly T[]): T[][] =>
  things.length === 0
    ? [[]]
    : things.flatMap((thing, index) => permutations(things.toSpliced(index, 1)).map((rest) => [thing, ...rest]));
