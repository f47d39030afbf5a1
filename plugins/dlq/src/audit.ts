import { EventsError, type Host, isEventsError, pass, type Transport } from '@logistically/events-kernel';
import type { Counts } from './removal.ts';
import type { Selection } from './selection.ts';

const IDS_PER_EVENT = 500;

export type AuditKind = 'redriven' | 'purged';

/** The trail of one redrive or purge. */
interface Trail {
  readonly add: (id: string) => Promise<void>;
  readonly end: (counts: Counts) => Promise<void>;
}

/** That others have not been told, or perhaps not; `trail` is what they would have been told. */
class UntoldError extends EventsError {
  readonly trail: object;

  constructor(trail: { readonly ids: readonly string[] }, cause: unknown) {
    const count = trail.ids.length;
    super(
      'EVENTS_DLQ_UNTOLD',
      `The trail of ${count} dead letters may not be published: keep \`trail\` of this error.`,
      {
        cause,
      },
    );
    this.trail = trail;
  }
}

/** What an error tells of a trail that was not published. */
export const trailOf = (reason: unknown): object | undefined =>
  (Object(reason) as { readonly code?: unknown }).code === 'EVENTS_DLQ_UNTOLD'
    ? (reason as UntoldError).trail
    : undefined;

/** Publishes who has taken which dead letters away: `dlq.redriven` and `dlq.purged`. A failure is told and stops nothing. */
export class Audit {
  readonly #host: Host;
  readonly #isOn: boolean;
  readonly #transport: () => Transport;

  constructor(host: Host, isOn: boolean, transport: () => Transport) {
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
        await this.#publish(`dlq.${kind}`, body);
      } catch (reason) {
        const trail = { type: `dlq.${kind}`, ...body };
        this.#host.emit('error', { source: 'dlq', reason: new UntoldError(trail, reason) });
      }
    };
    return {
      add: async (id) => {
        if (done.push(id) === IDS_PER_EVENT) await publish();
      },
      end: publish,
    };
  }
  async #publish(type: string, body: object): Promise<void> {
    const to = this.#transport();
    const options = { transport: to.name };
    try {
      await this.#host.publish(type, body, options);
    } catch (reason) {
      if (!isEventsError(reason) || reason.code !== 'EVENTS_NOT_RUNNING') throw reason;
      // The kernel stops and takes no more events; its transports are open until what is under way here has ended.
      const event = this.#host.create(type, body, options);
      await new Promise<void>((resolve, reject) =>
        pass(to.publish, [event], (_, failure) => (failure === undefined ? resolve() : reject(failure))),
      );
    }
  }
}
