interface Turn {
  work: (() => void) | undefined;
}

/** Runs work in the order in which turns were taken, whatever order it becomes possible in: a store of several servers answers as it likes. */
export class Turns {
  readonly #turns: Turn[] = [];

  /** Takes the next turn; what it returns is called once, with the work. */
  take(): (work: () => void) => void {
    const turn: Turn = { work: undefined };
    this.#turns.push(turn);
    return (work) => {
      turn.work = work;
      while (this.#turns[0]?.work) this.#turns.shift()?.work?.();
    };
  }
}
