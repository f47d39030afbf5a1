import { appendFileSync, closeSync, mkdirSync, openSync, readdirSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { From, Log, LogEntry, Transport, TransportHost } from '@logistically/events-kernel';
import { Delivery, EventsError, each, isEventsError, originOf } from '@logistically/events-kernel';

const LOOK_MS = 10;

/** Keeps every topic in a file, every event in a line: its time and its payload. A cursor is where in the file a line ends. */
export const folder = (path: string): Transport<{ durable: 'process'; order: 'topic'; log: Log }> => {
  let host: TransportHost | undefined;
  // Not every system can store a colon, or tell small letters from capitals.
  const encode = (char: string): string => `%${char.charCodeAt(0).toString(16)}`;
  const fileOf = (topic: string): string => join(path, `${topic.replace(/[A-Z:]/g, encode)}.topic`);
  const sizeOf = (topic: string): number => statSync(fileOf(topic), { throwIfNoEntry: false })?.size ?? 0;
  const topics = (): string[] => readdirSync(path).map((file) => decodeURIComponent(file.replace(/\.topic$/, '')));

  const entriesAfter = (topic: string, offset: number): LogEntry[] => {
    const bytes = Buffer.alloc(Math.max(0, sizeOf(topic) - offset));
    if (bytes.length === 0) return [];
    const file = openSync(fileOf(topic), 'r');
    readSync(file, bytes, 0, bytes.length, offset);
    closeSync(file);
    // What follows the last line break is still being written.
    const lines = bytes.toString('latin1').split('\n').slice(0, -1);
    let end = offset;
    return lines.map((line) => {
      const [time, data = ''] = line.split(' ');
      end += line.length + 1;
      return { topic, partition: 0, cursor: String(end), time: Number(time), payload: Buffer.from(data, 'base64') };
    });
  };

  const offsetOf = (topic: string, from: From): number => {
    if (from === 'earliest') return 0;
    if (from === 'latest') return sizeOf(topic);
    const entries = entriesAfter(topic, 0);
    if (from instanceof Date) return Number(entries.findLast(({ time }) => time < from.getTime())?.cursor ?? 0);
    if (entries.some(({ cursor }) => cursor === from)) return Number(from);
    throw new EventsError('EVENTS_FOLDER_CURSOR', `This is no cursor of ${topic}: take that of one of its events.`);
  };

  const read: Log['read'] = async (topic, { partition = 0, from = 'earliest', limit = 100 } = {}) =>
    partition === 0 ? entriesAfter(topic, offsetOf(topic, from)).slice(0, limit) : [];

  return {
    kind: 'transport',
    name: 'folder',
    capabilities: { durable: 'process', order: 'topic', log: { read, topics: async () => topics() } },

    async open(opened) {
      mkdirSync(path, { recursive: true });
      host = opened;
    },

    async close() {
      host = undefined;
    },

    // An event is settled as done when this returns, and with what it throws when it throws.
    publish: each(({ topic, partition = 0, payload }) => {
      if (!host) throw new EventsError('EVENTS_NOT_RUNNING', 'The folder is not open: start the kernel first.');
      if (partition !== 0) throw new EventsError('EVENTS_FOLDER_PARTITION', `${topic} has partition 0 and no other.`);
      appendFileSync(fileOf(topic), `${Date.now()} ${Buffer.from(payload as Uint8Array).toString('base64')}\n`);
    }),

    async subscribe({ topics: wanted, from, concurrency, partitions = [0] }, deliver) {
      // A topic like `dlq:order-events` belongs to another one: who asks for all does not mean it.
      const all = (): readonly string[] => topics().filter((topic) => !topic.includes(':'));
      const names = (): readonly string[] => (!partitions.includes(0) ? [] : wanted === 'all' ? all() : wanted);
      const offsets = new Map(names().map((topic) => [topic, offsetOf(topic, from)]));
      const waiting: Delivery[] = [];
      let free = concurrency;
      const settle = (settled: Delivery, reason?: unknown): void => {
        free++;
        if (reason === undefined) return;
        const { topic, cursor, attempt, payload } = originOf(settled);
        const { uncounted, retryAfterMs }: Partial<EventsError> = isEventsError(reason) ? reason : {};
        const again = new Delivery(topic, 0, cursor, uncounted ? attempt : attempt + 1, payload);
        setTimeout(() => waiting.push(again), retryAfterMs ?? 50 * 2 ** Math.min(attempt, 9)).unref();
      };
      const look = async (): Promise<void> => {
        for (const topic of names())
          for (const { cursor, payload } of entriesAfter(topic, offsets.get(topic) ?? 0)) {
            offsets.set(topic, Number(cursor));
            waiting.push(new Delivery(topic, 0, cursor, 1, payload));
          }
        while (free > 0 && waiting.length > 0) {
          const batch = waiting.splice(0, free);
          free -= batch.length;
          deliver(batch, settle);
        }
      };
      const report = (reason: unknown): void => host?.emit('error', { source: 'folder', reason });
      const timer = setInterval(() => look().catch(report), LOOK_MS);
      const stop = async (): Promise<void> => clearInterval(timer);
      return { stop, close: stop };
    },
  };
};
