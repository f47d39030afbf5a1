import type { Counts } from '../removal.ts';

/** The part of `process.stderr` that is used. */
interface ProgressStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly write: (text: string) => unknown;
}

const REDRAW_MS = 100;
const LINE_MS = 5000;
const BAR = 20;
const CLEAR = '\r\u001b[K';

/** `95 s`, `3 min`, `2 h`. */
const duration = (ms: number): string => {
  const seconds = Math.ceil(ms / 1000);
  if (seconds < 120) return `${seconds} s`;
  return seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
};

export const sumOf = ({ redriven, purged, gone, refused, failed, unknown }: Counts): number =>
  redriven + purged + gone + refused + failed + unknown;

/** Tells how far it is: on a terminal a line that is redrawn, elsewhere a line every five seconds. */
export class Progress {
  readonly #stream: ProgressStream;
  readonly #total: number | undefined;
  readonly #now: () => number;
  readonly #begin: number;
  #toldAt: number;
  #drawn = false;

  /** `now`: ms. */
  constructor(stream: ProgressStream, total: number | undefined, now: () => number = Date.now) {
    this.#stream = stream;
    this.#total = total;
    this.#now = now;
    this.#begin = now();
    this.#toldAt = this.#begin;
  }

  update(counts: Counts): void {
    const now = this.#now();
    const { isTTY = false, columns } = this.#stream;
    if (now - this.#toldAt < (isTTY ? REDRAW_MS : LINE_MS)) return;
    this.#toldAt = now;
    const line = this.#line(sumOf(counts), now - this.#begin, isTTY);
    // A line that wraps would not be drawn over.
    this.#stream.write(isTTY ? `${CLEAR}${line.slice(0, (columns || 80) - 1)}` : `${line}\n`);
    this.#drawn = isTTY;
  }

  /** Leaves the line to what comes now. */
  end(): void {
    if (this.#drawn) this.#stream.write(CLEAR);
    this.#drawn = false;
  }

  #line(done: number, elapsedMs: number, withBar: boolean): string {
    const rate = (done * 1000) / Math.max(elapsedMs, 1);
    const speed = `${rate < 10 ? rate.toFixed(1) : Math.round(rate)}/s`;
    const total = this.#total;
    if (!total) return `${done}, ${speed}`;
    const share = Math.min(done / total, 1);
    const filled = Math.round(share * BAR);
    const bar = withBar ? `[${'#'.repeat(filled)}${'-'.repeat(BAR - filled)}] ` : '';
    const left = duration((Math.max(total - done, 0) / rate) * 1000);
    return `${bar}${done}/${total}, ${Math.floor(share * 100)} %, ${speed}, ${left} left`;
  }
}
