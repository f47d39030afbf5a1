import { asReason, type Layer, type OutgoingEvent, type Settle } from '@logistically/events-kernel';

/** A layer that lets only one event of a key through at a time; those that come meanwhile share its fate. */
export const follow =
  (
    keyOf: (event: OutgoingEvent) => string | undefined,
    onDuplicate: (event: OutgoingEvent) => void,
  ): Layer<OutgoingEvent> =>
  (next) => {
    const followers = new Map<string, (readonly [OutgoingEvent, Settle<OutgoingEvent>])[]>();
    return (batch, settle) => {
      const keys = new Map<OutgoingEvent, string>();
      const first: OutgoingEvent[] = [];
      for (const event of batch) {
        try {
          const key = keyOf(event);
          const ahead = key === undefined ? undefined : followers.get(key);
          if (ahead) ahead.push([event, settle]);
          else first.push(event);
          if (ahead || key === undefined) continue;
          followers.set(key, []);
          keys.set(event, key);
        } catch (thrown) {
          settle(event, asReason(thrown));
        }
      }
      const finish: Settle<OutgoingEvent> = (event, reason) => {
        const key = keys.get(event);
        const behind = key === undefined ? [] : (followers.get(key) ?? []);
        if (key !== undefined) followers.delete(key);
        keys.delete(event);
        settle(event, reason);
        for (const [each, settleEach] of behind) {
          if (reason === undefined) onDuplicate(each);
          settleEach(each, reason);
        }
      };
      if (first.length) next(first, finish);
    };
  };
