import type { Host } from '@logistically/events-kernel';
import type { Counts } from './removal.ts';
import type { Selection } from './selection.ts';

const IDS_PER_EVENT = 500;

export type AuditKind = 'redriven' | 'purged';

/** The trail of one redrive or purge. */
interface Trail {
  readonly add: (id: string) => Promise<void>;
  readonly end: (counts: Counts) => Promise<void>;
}

/** Publishes who has taken which dead letters away: `dlq.redriven` and `dlq.purged`. A failure is told and stops nothing. */
export class Audit {
  readonly #host: Host;
  readonly #isOn: boolean;
  readonly #transport: () => string;

  constructor(host: Host, isOn: boolean, transport: () => string) {
    this.#host = host;
    this.#isOn = isOn;
    this.#transport = transport;
  }

  begin(kind: AuditKind, { ids, filter, fingerprint, topic }: Selection, by: string | undefined): Trail | undefined {
    if (!this.#isOn) return undefined;
    const selection = { ...(ids && { ids: ids.length }), filter, fingerprint, topic };
    const at = new Date().toISOString();
    let done: string[] = [];
    const publish = async (counts?: Counts): Promise<void> => {
      const body = { by, at, selection, ids: done, ...(counts && { counts }) };
      done = [];
      try {
        await this.#host.publish(`dlq.${kind}`, body, { transport: this.#transport() });
      } catch (reason) {
        this.#host.emit('error', { source: 'dlq', reason });
      }
    };
    return {
      add: async (id) => {
        if (done.push(id) === IDS_PER_EVENT) await publish();
      },
      end: publish,
    };
  }
}
