/** How fast the consumers of the crash tests notice that another one is dead; ms. */
export const SHORT = { leaseMs: 1000, claimIntervalMs: 100, timeoutMs: 2000 } as const;
export const CLAIM_MS = 500;
