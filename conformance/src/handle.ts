import type { Awaitable, Transport, TransportHost } from '@logistically/events-kernel';

/** Makes a handle on the broker under test. Every handle reaches the same broker. */
export type TransportFactory = () => Awaitable<Transport>;

/**
 * Views of one handle, for brokers that live within it: the first view that opens opens it, the last that closes closes it.
 * So a transport need not know of being shared by several kernels.
 */
export class SharedHandle {
  readonly transport: Transport;
  readonly #hosts = new Set<TransportHost>();
  #opening: Promise<void> | undefined;

  constructor(transport: Transport) {
    this.transport = transport;
  }

  view(): Transport {
    const { transport } = this;
    let host: TransportHost | undefined;
    return {
      kind: 'transport',
      name: transport.name,
      capabilities: transport.capabilities,
      open: async (own) => {
        host = own;
        this.#hosts.add(own);
        this.#opening ??= transport.open({
          service: own.service,
          logger: own.logger,
          emit: (type, event) => {
            for (const each of this.#hosts) each.emit(type, event);
          },
        });
        await this.#opening;
      },
      publish: (batch, settle) => transport.publish(batch, settle),
      ...(transport.subscribe && { subscribe: transport.subscribe.bind(transport) }),
      ...(transport.health && { health: transport.health.bind(transport) }),
      close: async (deadline) => {
        if (!host) return;
        this.#hosts.delete(host);
        host = undefined;
        if (this.#hosts.size > 0) return;
        this.#opening = undefined;
        await transport.close(deadline);
      },
    };
  }
}
