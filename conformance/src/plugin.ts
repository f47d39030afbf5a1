import type { EventMap, Feature, Middleware } from '@logistically/events-kernel';

/** What a transport can be certified through: a layer, or a feature whatever it needs and gives. */
export type Plugin = Middleware | Feature<object, never, EventMap>;
