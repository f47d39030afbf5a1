import type { HandlerContext } from './delivery.ts';
import type { Envelope } from './envelope.ts';

/** The body of every event type, by type. */
export type EventMap = Record<string, unknown>;

/** A type as a pattern takes it: `user.*` is `` `user.${string}` ``. */
export type MatchPattern<P extends string> = P extends `${infer A}*${infer B}` ? `${A}${string}${MatchPattern<B>}` : P;

/** The event types of a map that a pattern takes. */
export type Matching<Events, P extends string> = {
  [K in keyof Events & string]: K extends MatchPattern<P> ? K : never;
}[keyof Events & string];

/** The events that a handler of a pattern gets: a union, told apart by `header.type`. */
export type EventOf<Events, P extends string> = string extends keyof Events
  ? Envelope<string, Events[keyof Events]>
  : { [K in Matching<Events, P>]: Envelope<K, Events[K]> }[Matching<Events, P>];

export type Handler<Event extends Envelope = Envelope> = (event: Event, context: HandlerContext) => unknown;

/** Untyped events become those of the feature; typed ones are joined by them. */
export type Widened<Events, More> = [More] extends [never]
  ? Events
  : string extends keyof Events
    ? More
    : Events & More;
