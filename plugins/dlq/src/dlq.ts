import type { Feature, Host } from '@logistically/events-kernel';
import { addressed } from './addressee.ts';
import { Audit } from './audit.ts';
import { Burial } from './burial.ts';
import type { DeadLetter } from './letter.ts';
import { type DlqStats, type LetterPage, type ListOptions, list, stats } from './listing.ts';
import { entriesOf } from './lookup.ts';
import { type DlqOptions, settingsOf } from './options.ts';
import { Presence } from './presence.ts';
import { type PurgeOptions, type RedriveOptions, type RemovalReport, Remover } from './removal.ts';
import { type DlqNeeds, Shelf } from './shelf.ts';
import { Sweeper } from './sweeper.ts';

/** What `dlq()` adds to the kernel. */
export interface DlqApi {
  readonly dlq: {
    /** Dead letters in the order of topic, partition and cursor, page by page. One call looks at 100 000 entries at most. */
    readonly list: (options?: ListOptions) => Promise<LetterPage>;
    /** Undefined when it is not there any more. Rejects with `EVENTS_DLQ_ID` and `EVENTS_DLQ_TOO_DEEP`. */
    readonly get: (id: string) => Promise<DeadLetter | undefined>;
    /** Counts the dead letters of a topic, of a dead letter topic, or all: 100 000 at most. */
    readonly stats: (topic?: string) => Promise<DlqStats>;
    /**
     * Sends dead letters again, each in one atomic step. Rejects with `EVENTS_DLQ_SELECTION`, `EVENTS_DLQ_ID`,
     * `EVENTS_DLQ_TOO_DEEP`, `EVENTS_CONFIG`, and with what the transport rejects with when it cannot be read.
     */
    readonly redrive: (options: RedriveOptions) => Promise<RemovalReport>;
    /** Removes dead letters for good. Rejects as `redrive` does. */
    readonly purge: (options: PurgeOptions) => Promise<RemovalReport>;
  };
}

/** Keeps what cannot be handled. Throws `EVENTS_CONFIG`. */
export const dlq = (options: DlqOptions = {}): Feature<DlqApi, DlqNeeds> => {
  const settings = settingsOf(options);
  return {
    kind: 'feature',
    name: 'dlq',
    requires: ['handoff', 'log'],
    ...(options.transport !== undefined && { transport: options.transport }),
    setup(host) {
      const shelf = new Shelf(settings.prefix, host.codec, host.transport);
      const audit = new Audit(host as unknown as Host, settings.audit, host.transport);
      let running = new AbortController();
      const remover = new Remover(shelf, host.codec, audit, () => running.signal);
      const sweeper = settings.retention && new Sweeper(shelf, settings.retention, host.emit);
      const burial = settings.enabled ? new Burial(host as unknown as Host, settings).layer : undefined;
      host.use({
        kind: 'middleware',
        name: 'dlq',
        consume: { stage: 'dlq', layer: burial ? (next) => addressed(burial(next)) : addressed },
      });
      host.onStart(() => {
        running = new AbortController();
        sweeper?.start();
      });
      new Presence(host as unknown as Host);
      // Before the transports close: what is under way comes to its end, and tells of it.
      host.onStop(() => remover.ended());
      host.on('stopping', () => {
        running.abort();
        sweeper?.stop();
      });
      return {
        dlq: {
          list: (query) => list(shelf, query),
          get: async (id) => {
            const [entry] = await entriesOf(shelf, [id]);
            return entry && shelf.letter(entry);
          },
          stats: (topic) => stats(shelf, topic),
          redrive: async (query) => remover.redrive(query),
          purge: async (query) => remover.purge(query),
        },
      };
    },
  };
};
