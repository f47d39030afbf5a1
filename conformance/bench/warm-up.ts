/**
 * Events that a publisher sends before it is measured, the same for us and for the references: the compiler needs about so many
 * until it has nothing more to improve.
 */
export const WARM_UP = 50_000;
/** The same, where each waits for the one before. */
export const SLOW_WARM_UP = 20_000;
/** Group that drains what is stored once before consuming is measured, the same for us and for the references. */
export const WARM_UP_GROUP = 'warm-up';
/** Share of the events before those whose latency is judged. */
export const WARM_UP_SHARE = 0.8;
