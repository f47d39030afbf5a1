import type { Capabilities, Transport } from '@logistically/events-kernel';
import type { Need } from './case.ts';

/** What a transport says of itself. The suite believes this and nothing else. */
export class Claims {
  readonly transport: string;
  readonly capabilities: Capabilities;
  readonly #subscribes: boolean;

  constructor({ name, capabilities, subscribe }: Transport) {
    this.transport = name;
    this.capabilities = capabilities;
    this.#subscribes = subscribe !== undefined;
  }

  /** Whether the transport claims what a case needs. */
  has(need: Need): boolean {
    if (need === 'subscribe') return this.#subscribes;
    const [name, value] = need.split('/') as [keyof Capabilities, string?];
    return value === undefined ? this.capabilities[name] !== undefined : this.capabilities[name] === value;
  }
}
