import type { Socket } from 'node:net';

/** The two connections that make up one proxied connection, and what can happen to them. It begins stalled. */
export interface NetworkLink {
  stall(): void;
  resume(): void;
  close(): void;
}

/** Makes a link of two connections; tells `closed` when both are gone. */
export type LinkFactory = (near: Socket, far: Socket, closed: () => void) => NetworkLink;

/** Passes bytes on as they come. */
export class DirectLink implements NetworkLink {
  readonly #near: Socket;
  readonly #far: Socket;
  #stalled = true;

  constructor(near: Socket, far: Socket, closed: () => void) {
    this.#near = near;
    this.#far = far;
    for (const socket of [near, far]) {
      socket.unref();
      // What fails here is closed next, and the other side learns it by that.
      socket.on('error', () => {});
      socket.on('close', () => {
        if (!this.#stalled) this.close();
        if (near.destroyed && far.destroyed) closed();
      });
    }
  }

  stall(): void {
    this.#stalled = true;
    this.#near.unpipe(this.#far);
    this.#far.unpipe(this.#near);
  }

  resume(): void {
    if (!this.#stalled) return;
    this.#stalled = false;
    if (this.#near.destroyed || this.#far.destroyed) {
      this.close();
    } else {
      this.#near.pipe(this.#far);
      this.#far.pipe(this.#near);
    }
  }

  close(): void {
    this.#near.destroy();
    this.#far.destroy();
  }
}
