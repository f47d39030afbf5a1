import type { Delivery } from './delivery.ts';
import type { OutgoingEvent } from './outgoing-event.ts';

/** What the kernel and its transports tell of themselves. None of it is on the hot path: a healthy event makes no noise. */
export type LifecycleEvents = {
  started: { readonly service: string };
  /** `stop` was called: flush now what waits for company, and wait no longer for a better time. */
  stopping: { readonly service: string; readonly deadline: number };
  /** `unsettled` deliveries were handed back, `unpublished` events were not confirmed by the deadline. */
  stopped: { readonly service: string; readonly unsettled: number; readonly unpublished: number };
  subscribed: { readonly pattern: string; readonly group: string; readonly transport: string };
  unsubscribed: { readonly pattern: string; readonly group: string; readonly transport: string };
  publishFailed: { readonly event: OutgoingEvent; readonly reason: unknown };
  /** A delivery is not done; the transport will deliver it again. */
  failed: { readonly delivery: Delivery; readonly reason: unknown };
  /** An entry that is no event: `delivery.payload` is raw, and no plugin kept it. It stays in the topic, and is settled. */
  undecodable: { readonly delivery: Delivery; readonly reason: unknown };
  /** A layer settled an event more than once: a defect of that layer. The first settlement counts. */
  settledTwice: { readonly topic: string; readonly cursor: string };
  connected: { readonly transport: string };
  disconnected: { readonly transport: string; readonly reason: unknown };
  /** A transport mended what it found broken: a lost group, a connection that no longer answered. */
  recovered: { readonly transport: string; readonly what: string; readonly topic?: string; readonly group?: string };
  /** Somebody else took over a delivery that is still being handled here. */
  leaseLost: { readonly delivery: Delivery };
  /** Something went wrong in the background and will be tried again. */
  error: { readonly source: string; readonly reason: unknown };
  /** For plugins that have something to tell. */
  notice: { readonly plugin: string; readonly what: string; readonly detail: object };
};

export type Emit = <K extends keyof LifecycleEvents>(type: K, event: LifecycleEvents[K]) => void;

/** Listens to one kind of lifecycle event, or with `'*'` to all; returns what ends it. */
export interface On {
  <K extends keyof LifecycleEvents>(type: K, listener: (event: LifecycleEvents[K]) => void): () => void;
  (
    type: '*',
    listener: (type: keyof LifecycleEvents, event: LifecycleEvents[keyof LifecycleEvents]) => void,
  ): () => void;
}
