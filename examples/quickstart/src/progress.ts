/** The part of a terminal that a progress bar needs. */
export interface Screen {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

const WIDTH = 32;

/** A bar that redraws itself on one line. Where the screen is no terminal it stays silent. */
export class Progress {
  readonly #screen: Screen;
  readonly #total: number;
  #last = '';

  constructor(screen: Screen, total: number) {
    this.#screen = screen;
    this.#total = total;
  }

  /** Shows that `done` of the total are handled. */
  show(done: number): void {
    if (!this.#screen.isTTY) return;
    const filled = Math.round((Math.min(done, this.#total) / this.#total) * WIDTH);
    const line = `${'█'.repeat(filled)}${'░'.repeat(WIDTH - filled)} ${done}/${this.#total} handled`;
    if (line === this.#last) return;
    this.#last = line;
    this.#screen.write(`\r\u001b[2K${line}`);
  }

  /** Takes the bar away. */
  clear(): void {
    if (this.#screen.isTTY) this.#screen.write('\r\u001b[2K');
  }
}
