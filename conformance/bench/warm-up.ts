/** Events that a publisher sends before it is measured, the same for us and for the references. */
export const WARM_UP = 10_000;
/** Group that drains the whole backlog once before a drain is measured, the same for us and for the references. */
export const WARM_UP_GROUP = 'warm-up';
