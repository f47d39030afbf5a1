import {
  asReason,
  type Capabilities,
  EventsError,
  type Feature,
  type Host,
  type Layer,
  type OutgoingEvent,
  Patterns,
  type Store,
} from '@logistically/events-kernel';
import type { Allowance } from './allowance.ts';
import { Limiter, send, type Waiting } from './limiter.ts';
import { type RateLimitOptions, type Rule, settingsOf } from './options.ts';
import { SharedBucket } from './shared-bucket.ts';
import { SharedWindow } from './shared-window.ts';
import { SlidingWindow } from './sliding-window.ts';
import { TokenBucket } from './token-bucket.ts';

/** What a transport must offer for `scope: 'shared'`. */
export interface RateLimitNeeds extends Capabilities {
  readonly store: Store;
}

/** From how many limiters on the idle ones are swept out. */
const SWEEP_SIZE = 1024;

/**
 * Bounds how many events are published in a time. An event that comes too soon waits for its turn, or is rejected with
 * `EVENTS_RATE_LIMITED` and `retryAfterMs`. Throws `EVENTS_CONFIG` for options that make no sense.
 */
export function rateLimit(options?: RateLimitOptions & { readonly scope?: 'process' }): Feature;
export function rateLimit(options: RateLimitOptions): Feature<object, RateLimitNeeds>;
export function rateLimit(options: RateLimitOptions = {}): Feature<object, RateLimitNeeds> {
  const settings = settingsOf(options);
  return {
    kind: 'feature',
    name: 'rate-limit',
    ...(settings.shared && settings.enabled && { requires: ['store'] as const }),
    setup: (host) => {
      if (settings.enabled) limitPublishing(host, settings);
      return {};
    },
  };
}

const limitPublishing = (host: Host<RateLimitNeeds>, settings: ReturnType<typeof settingsOf>): void => {
  const { shared, base, key } = settings;
  const waiting: Waiting = {
    count: 0,
    max: settings.maxQueued,
    maxWaitMs: settings.maxWaitMs,
    waits: settings.waits,
    stopBy: undefined,
    tell: (reason) => host.emit('error', { source: 'rate-limit', reason }),
    passOnError: settings.onStoreError === 'open',
  };
  const rules = new Patterns<Rule>();
  for (const rule of settings.rules) rules.add(rule.pattern, rule);
  const limiters = new Map<string, Limiter>();
  let sweepAt = SWEEP_SIZE;

  const allowanceOf = (rule: Rule, name: string): Allowance => {
    const isBucket = rule.strategy === 'token-bucket';
    if (!shared) return isBucket ? new TokenBucket(rule) : new SlidingWindow(rule);
    const store = (): Store => host.transport().capabilities.store;
    const place = `rate-limit:${host.service}:${rule.strategy}:${rule.timeWindowMs}:${name}`;
    return isBucket ? new SharedBucket(rule, place, store) : new SharedWindow(rule, place, store);
  };

  const limiterFor = (rule: Rule, name: string): Limiter => {
    const known = limiters.get(name);
    if (known) return known;
    if (limiters.size >= sweepAt) {
      for (const [each, limiter] of limiters) if (limiter.idle) limiters.delete(each);
      sweepAt = Math.max(SWEEP_SIZE, limiters.size * 2);
    }
    const limiter = new Limiter(rule, allowanceOf(rule, name), waiting);
    limiters.set(name, limiter);
    return limiter;
  };

  const keyOf = (event: OutgoingEvent): string => {
    const value = key?.(event) ?? '';
    if (typeof value !== 'string')
      throw new EventsError('EVENTS_CONFIG', 'rateLimit(): `key` must return a string.', { permanent: true });
    return value;
  };

  const limiterOf = (event: OutgoingEvent): Limiter => {
    const rule = rules.match(event.type)[0] ?? base;
    return limiterFor(rule, key ? `${rule.pattern}:${keyOf(event)}` : rule.pattern);
  };

  const layer: Layer<OutgoingEvent> = (next) => (batch, settle) => {
    const passed: OutgoingEvent[] = [];
    const refused: (readonly [OutgoingEvent, reason: unknown])[] = [];
    const holding = new Set<Limiter>();
    for (const event of batch) {
      try {
        const limiter = limiterOf(event);
        if (limiter.admits) passed.push(event);
        else if (limiter.hold(event, settle, next)) holding.add(limiter);
        else refused.push([event, limiter.refusal(event)]);
      } catch (thrown) {
        refused.push([event, asReason(thrown)]);
      }
    }
    if (passed.length && passed.length === batch.length) return next(batch, settle);
    if (passed.length) send(next, passed, settle);
    for (const limiter of holding) limiter.drain();
    for (const [event, reason] of refused) settle(event, reason);
  };

  host.use({ kind: 'middleware', name: 'rate-limit', publish: { stage: 'limit', layer } });
  host.onStart(() => {
    waiting.stopBy = undefined;
  });
  host.on('stopping', ({ deadline }) => {
    waiting.stopBy = deadline;
    for (const limiter of limiters.values()) limiter.stop();
  });
};
