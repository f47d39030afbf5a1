import type { Log } from '@logistically/events-kernel';
import { isSuspect, notesOf, payloadOf, readBytes } from './entry.ts';
import type { Keys } from './keys.ts';
import type { Opened } from './opened.ts';
import { startAfter } from './position.ts';

export const createLog = (opened: () => Opened, keys: Keys): Log => ({
  topics: () => opened().topics.list(),

  async read(topic, { partition = 0, from = 'earliest', limit = 100 } = {}) {
    const after = startAfter(from);
    if (after === '$') return [];
    const stream = keys.stream(topic, partition);
    const commands = opened().topology.at(stream);
    const entries = await commands.run((client) => client.xrange(stream, `(${after}`, '+', 'COUNT', limit));
    return Promise.all(
      entries.map(async ([cursor, fields]) => {
        const payload = payloadOf(fields);
        const notes = notesOf(fields);
        return {
          topic,
          partition,
          cursor,
          time: Number(cursor.split('-', 1)[0]),
          payload: isSuspect(payload) ? await readBytes(commands, stream, cursor, payload) : payload,
          ...(notes && { notes }),
        };
      }),
    );
  },
});
