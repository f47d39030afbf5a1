import {
  type BatchEvent,
  type Codec,
  createKernel,
  type OutgoingEvent,
  type Transport,
} from '@logistically/events-kernel';

/** Makes events as a kernel hands them to a transport of that name, for what takes them without a kernel. */
export const outgoingEvents = async (
  transport: string,
  events: readonly BatchEvent[],
  codec?: Codec,
): Promise<OutgoingEvent[]> => {
  const made: OutgoingEvent[] = [];
  const sink: Transport = {
    kind: 'transport',
    name: transport,
    capabilities: {},
    open: async () => {},
    publish: (batch, settle) => {
      made.push(...batch);
      for (const event of batch) settle(event);
    },
    close: async () => {},
  };
  const kernel = await createKernel({ service: 'conformance', ...(codec && { codec }) })
    .use(sink)
    .start();
  await kernel.publishBatch(events);
  await kernel.stop();
  return made;
};
