import { openSync, readdirSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { Fact } from '@logistically/events-conformance';
import { now } from './clock.ts';

/** What a process can do wrong, or have done to it. Times in ms on the clock of the machine. */
export interface Fault {
  readonly fault: string;
  /** The process, or undefined: the server, and so everybody. */
  readonly of: string | undefined;
  readonly from: number;
  readonly to: number;
}

export type Entry = (Fact | Fault) & { readonly at: number };

export const isFault = (entry: Entry): entry is Fault & { readonly at: number } => 'fault' in entry;

/** A file of facts. What is written is with the system before the call returns: no sudden death takes it back. */
export class Ledger {
  readonly #file: number;

  constructor(directory: string, name: string) {
    this.#file = openSync(join(directory, `${name}.jsonl`), 'a');
  }

  write(fact: Fact | Fault): void {
    writeSync(this.#file, `${JSON.stringify({ at: now(), ...fact })}\n`);
  }
}

/** What all processes have written, in the order in which it happened. */
export const readLedgers = (directory: string): readonly Entry[] =>
  readdirSync(directory)
    .filter((name) => name.endsWith('.jsonl'))
    .flatMap((name) => readFileSync(join(directory, name), 'utf8').split('\n'))
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Entry)
    .sort((a, b) => a.at - b.at);
