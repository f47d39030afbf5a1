import type { Socket } from 'node:net';
import { DelayLine } from './delay-line.ts';
import type { NetworkLink } from './network-link.ts';
import { readReply } from './resp.ts';

const REPLICATION = new Set(['REPLCONF', 'PSYNC', 'SYNC']);
/** What replicas and clients alike begin with. */
const PRELUDE = new Set(['PING', 'AUTH']);
/** More than a prelude needs. */
const SNIFFED_BYTES = 4_096;

/** What the replication links of one proxy have in common. */
export interface ReplicationWeather {
  cut: boolean;
  delayMs: number;
}

/** A link to a Redis server that finds out by the first commands whether it carries replication. */
export class ReplicationLink implements NetworkLink {
  readonly #near: Socket;
  readonly #far: Socket;
  readonly #weather: ReplicationWeather;
  readonly #in: DelayLine;
  readonly #out: DelayLine;
  #kind: 'unknown' | 'client' | 'replication' = 'unknown';
  #seen: Buffer = Buffer.alloc(0);
  #stalled = true;
  #flows = false;

  constructor(near: Socket, far: Socket, weather: ReplicationWeather, closed: () => void) {
    this.#near = near;
    this.#far = far;
    this.#weather = weather;
    const delayMs = (): number => (this.#kind === 'replication' ? weather.delayMs : 0);
    this.#in = new DelayLine(delayMs);
    this.#out = new DelayLine(delayMs);
    for (const socket of [near, far]) {
      socket.unref();
      // What fails here is closed next, and the other side learns it by that.
      socket.on('error', () => {});
      socket.on('close', () => {
        if (this.#flows) this.close();
        if (near.destroyed && far.destroyed) closed();
      });
    }
    // Before the pipe, so that what belongs to a cut replication is known as such when it comes to the line's end.
    near.on('data', (chunk: Buffer) => this.#sniff(chunk));
    near.pipe(this.#in);
    far.pipe(this.#out);
  }

  stall(): void {
    this.#stalled = true;
    this.update();
  }

  resume(): void {
    this.#stalled = false;
    this.update();
  }

  close(): void {
    for (const stream of [this.#near, this.#far, this.#in, this.#out]) stream.destroy();
  }

  /** Lets flow or holds back, as the weather is. */
  update(): void {
    const flows = !this.#stalled && !(this.#weather.cut && this.#kind === 'replication');
    if (flows === this.#flows) return;
    this.#flows = flows;
    if (!flows) {
      this.#in.unpipe(this.#far);
      this.#out.unpipe(this.#near);
    } else if (this.#near.destroyed || this.#far.destroyed) {
      this.close();
    } else {
      this.#in.pipe(this.#far);
      this.#out.pipe(this.#near);
    }
  }

  #sniff(chunk: Buffer): void {
    if (this.#kind !== 'unknown') return;
    this.#seen = Buffer.concat([this.#seen, chunk]);
    this.#kind = this.#recognised();
    if (this.#kind === 'unknown') return;
    this.#seen = Buffer.alloc(0);
    this.update();
  }

  #recognised(): 'unknown' | 'client' | 'replication' {
    try {
      for (let next = readReply(this.#seen); next !== undefined; next = readReply(this.#seen)) {
        this.#seen = this.#seen.subarray(next.end);
        const verb = String(Array.isArray(next.reply) ? next.reply[0] : '').toUpperCase();
        if (REPLICATION.has(verb)) return 'replication';
        if (!PRELUDE.has(verb)) return 'client';
      }
    } catch {
      // Not in the protocol of Redis: TLS, or a command typed by hand.
      return 'client';
    }
    return this.#seen.length > SNIFFED_BYTES ? 'client' : 'unknown';
  }
}
