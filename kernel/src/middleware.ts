import type { Delivery } from './delivery.ts';
import type { OutgoingEvent } from './outgoing-event.ts';
import type { Layer } from './path.ts';
import type { AnyHandler } from './worker.ts';

/** The stages of the publish path, outermost first; the transport comes last. */
export const PUBLISH_STAGES = ['observe', 'enrich', 'validate', 'limit', 'route', 'retry', 'batch', 'encode'] as const;
/** The stages of the consume path, outermost first; the handler comes last. */
export const CONSUME_STAGES = ['observe', 'dlq', 'retry', 'decode', 'validate', 'filter', 'order', 'once'] as const;

export type PublishStage = (typeof PUBLISH_STAGES)[number];
export type ConsumeStage = (typeof CONSUME_STAGES)[number];

/**
 * A layer on the publish path, on the consume path, or on both. The stage decides its place, not the order of `use`. Within a
 * stage the order of `use` holds; in `decode` it is reversed, so that what was encoded last is decoded first.
 */
export interface Middleware {
  readonly kind: 'middleware';
  readonly name: string;
  readonly publish?: { readonly stage: PublishStage; readonly layer: Layer<OutgoingEvent> };
  readonly consume?: {
    readonly stage: ConsumeStage;
    readonly layer: Layer<Delivery>;
    /**
     * Replaces each handler when its subscription opens, for what has to know it: a time-out, an option of its own. The last
     * stage wraps first.
     */
    readonly handler?: WrapHandler;
  };
}

/** Makes the handler that is called in place of a subscription's own. */
export type WrapHandler = (
  handler: AnyHandler,
  subscription: { readonly pattern: string; readonly group: string },
) => AnyHandler;
