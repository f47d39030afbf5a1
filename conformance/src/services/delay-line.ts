import { Transform, type TransformCallback } from 'node:stream';

/** Passes chunks on in their order, each `delayMs()` after it came. */
export class DelayLine extends Transform {
  readonly #delayMs: () => number;
  readonly #queue: { readonly due: number; readonly chunk: Buffer }[] = [];
  #timer: NodeJS.Timeout | undefined;
  #flushed: TransformCallback | undefined;

  constructor(delayMs: () => number) {
    super();
    this.#delayMs = delayMs;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    const delayMs = this.#delayMs();
    if (delayMs === 0 && this.#queue.length === 0) {
      done(null, chunk);
      return;
    }
    this.#queue.push({ due: Date.now() + delayMs, chunk });
    this.#timer ??= this.#arm();
    done();
  }

  override _flush(done: TransformCallback): void {
    if (this.#queue.length === 0) done();
    else this.#flushed = done;
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    clearTimeout(this.#timer);
    done(error);
  }

  #arm(): NodeJS.Timeout | undefined {
    const [next] = this.#queue;
    if (next === undefined) return undefined;
    return setTimeout(() => this.#release(), Math.max(0, next.due - Date.now())).unref();
  }

  #release(): void {
    while (this.#queue[0] !== undefined && this.#queue[0].due <= Date.now()) this.push(this.#queue.shift()?.chunk);
    this.#timer = this.#arm();
    if (this.#timer === undefined) this.#flushed?.();
  }
}
