import { createKernel, type Feature, type Inspect, type Kernel, type Middleware } from '@logistically/events-kernel';
import { type Replicas, redisStreams } from '@logistically/events-redis-streams';
import type { BenchEvents } from './body.ts';

export type BenchPlugin = Middleware | Feature<object, never>;

export interface SubjectOptions {
  readonly propagate?: boolean;
  readonly plugins?: () => readonly BenchPlugin[];
  /** Confirms an event once so many replicas have it. */
  readonly durability?: Replicas;
}

/** What a benchmark asks of a kernel, whatever its transport can do. */
export type BenchKernel = Pick<
  Kernel<object, BenchEvents>,
  'publish' | 'publishBatch' | 'subscribe' | 'stats' | 'stop'
>;

interface Topic {
  readonly stored: number;
  readonly pending: number;
}

/** A running kernel on Redis, and what Redis says of the topic of the events. */
export interface Subject {
  readonly kernel: BenchKernel;
  readonly topic: () => Promise<Topic>;
}

const topicOf = async (inspect: Inspect): Promise<Topic> => {
  const { partitions } = await inspect.topic('user-events');
  return {
    stored: partitions.reduce((total, { length }) => total + length, 0),
    pending: partitions.flatMap(({ groups }) => groups).reduce((total, { pending }) => total + pending, 0),
  };
};

export const openSubject = async (url: string, options: SubjectOptions = {}): Promise<Subject> => {
  const { propagate = true, plugins = () => [], durability = 'async' } = options;
  const transport = redisStreams({ url, durability });
  const kernel = createKernel<BenchEvents>({ service: 'bench', propagate }).use(transport);
  for (const plugin of plugins()) kernel.use(plugin as Middleware);
  await kernel.start();
  return { kernel, topic: () => topicOf(transport.capabilities.inspect) };
};
