/** ms on the monotonic clock of the machine, the same for all processes. */
export const now = (): number => Number(process.hrtime.bigint()) / 1e6;
