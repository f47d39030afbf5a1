/** Items numbered one after the other, added at the end and dropped from the front, both in constant time. */
export class Window<T> {
  #start: number;
  #end: number;
  // A ring whose size is a power of two: the item of a number is at `number & #mask`.
  #ring: (T | undefined)[] = new Array(16);
  #mask = 15;

  /** `start` is the number that the first item will have. */
  constructor(start = 0) {
    this.#start = start;
    this.#end = start;
  }

  /** Number of the first item. */
  get start(): number {
    return this.#start;
  }

  /** Number that the next item will have. */
  get end(): number {
    return this.#end;
  }

  get length(): number {
    return this.#end - this.#start;
  }

  at(number: number): T | undefined {
    return number >= this.#start && number < this.#end ? this.#ring[number & this.#mask] : undefined;
  }

  push(item: T): void {
    if (this.length > this.#mask) this.#grow();
    this.#ring[this.#end++ & this.#mask] = item;
  }

  /** Replaces an item that is there. */
  set(number: number, item: T): void {
    this.#ring[number & this.#mask] = item;
  }

  shift(): T | undefined {
    if (this.length === 0) return undefined;
    const index = this.#start++ & this.#mask;
    const item = this.#ring[index];
    this.#ring[index] = undefined;
    return item;
  }

  #grow(): void {
    const mask = this.#mask * 2 + 1;
    const ring = new Array<T | undefined>(mask + 1);
    for (let number = this.#start; number < this.#end; number++) ring[number & mask] = this.#ring[number & this.#mask];
    this.#ring = ring;
    this.#mask = mask;
  }
}
