/** Monotonic time in µs, the same in every process of the machine. */
export const now = (): number => {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e6 + nanoseconds / 1e3;
};
