import { setTimeout as sleep } from 'node:timers/promises';
import { now } from '../clock.ts';
import type { Ground } from './ground.ts';
import { GROUPS, idOf, PARTITIONS, type Tick } from './load.ts';

const PAGE = 1000;
const DRAIN_MS = 20_000;

const fieldsOf = (flat: unknown): Readonly<Record<string, unknown>> => {
  const words = flat as readonly unknown[];
  return Object.fromEntries(
    words.flatMap((word, index) => (index % 2 === 0 ? [[String(word), words[index + 1]]] : [])),
  );
};

/** What is in the streams of a run, by commands of the harness' own: nothing that it tells hangs on the transport. */
export class Contents {
  readonly #ground: Ground;
  readonly #streamOf: (partition: number) => string;

  constructor(ground: Ground, streamOf: (partition: number) => string) {
    this.#ground = ground;
    this.#streamOf = streamOf;
  }

  /** The ids of all events. */
  async stored(): Promise<ReadonlySet<string>> {
    const ids = new Set<string>();
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const owner = await this.#ground.ownerOf(partition);
      for (let after = '-'; ; ) {
        const page = (await owner.cli('XRANGE', this.#streamOf(partition), after, '+', 'COUNT', String(PAGE))) as [
          string,
          string[],
        ][];
        for (const [, [, payload = '']] of page) ids.add(idOf((JSON.parse(payload) as { readonly body: Tick }).body));
        const last = page.at(-1);
        if (!last || page.length < PAGE) break;
        after = `(${last[0]}`;
      }
    }
    return ids;
  }

  /** Resolves with 0 when the groups have settled all there is, or, when the time is over, with how much they have not. */
  async drained(): Promise<number> {
    for (const end = now() + DRAIN_MS; ; await sleep(50)) {
      const left = await this.#left().catch(() => Number.POSITIVE_INFINITY);
      if (left === 0 || now() > end) return left;
    }
  }

  async #left(): Promise<number> {
    let left = 0;
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const owner = await this.#ground.ownerOf(partition);
      const stream = this.#streamOf(partition);
      const newest = fieldsOf(await owner.cli('XINFO', 'STREAM', stream))['last-generated-id'];
      const groups = ((await owner.cli('XINFO', 'GROUPS', stream)) as unknown[]).map(fieldsOf);
      left += GROUPS.length - groups.length;
      for (const group of groups)
        left += Number(group.pending) + (group['last-delivered-id'] === newest ? 0 : Number(group.lag ?? 1));
    }
    return left;
  }
}
