/** Bodies `from`, `from + 1`, … so many of them. */
export const numbers = (count: number, from = 0): number[] => Array.from({ length: count }, (_, index) => from + index);

export const sorted = (values: Iterable<number>): number[] => [...values].sort((a, b) => a - b);
