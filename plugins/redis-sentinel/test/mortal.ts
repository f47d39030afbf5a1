import type { Transport } from '@logistically/events-kernel';
import { Redis, type RedisOptions } from 'ioredis';

/** A client that can die as its process would. */
class Mortal extends Redis<'legacy'> {
  #dead = false;

  override connect(): Promise<void> {
    return this.#dead ? Promise.reject(new Error('The process is dead.')) : super.connect();
  }

  /** All that Redis sees of a dying process is that its connections close. */
  die(): void {
    this.#dead = true;
    this.disconnect();
  }
}

type Options = RedisOptions & { readonly replyMapping: 'legacy' };

/** Transports whose connections can be made to die. */
export class Mortals {
  readonly #clients = new WeakMap<Transport, Mortal[]>();

  make<T extends Transport>(create: (connect: (purpose: string, options: Options) => Redis) => T): T {
    const clients: Mortal[] = [];
    const transport = create((_, options) => {
      const client = new Mortal(options);
      clients.push(client);
      return client;
    });
    this.#clients.set(transport, clients);
    return transport;
  }

  readonly kill = (transport: Transport): void => {
    for (const client of this.#clients.get(transport) ?? []) client.die();
  };
}
