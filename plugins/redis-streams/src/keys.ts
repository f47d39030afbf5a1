/**
 * The names of everything that a transport keeps in Redis. All keys of a topic partition carry the same hash tag, so that a
 * cluster keeps them in one slot. A derived topic (`dlq:user-events`) is kept beside the topic that it derives from.
 */
export interface Keys {
  readonly stream: (topic: string, partition: number) => string;
  /** Deliveries of a group that wait for their next attempt. */
  readonly retries: (topic: string, partition: number, group: string) => string;
  /** Events that were published with a delay. */
  readonly delayed: (topic: string, partition: number) => string;
  /** The topics that exist. */
  readonly topics: string;
  readonly store: (key: string) => string;
  readonly tokens: (key: string) => string;
}

/** The topic that a topic derives from, or itself. */
export const homeOf = (topic: string): string => topic.split(':')[1] ?? topic;

/** What JSON writes as it is. */
const PLAIN = /^[\w./:@#-]+$/;

/** Free text as a hash tag: never empty, without braces of its own, and different for different texts. */
const quoted = (text: string): string =>
  PLAIN.test(text)
    ? `"${text}"`
    : JSON.stringify(text).replace(/[{}]/g, (brace) => (brace === '{' ? '\\u007b' : '\\u007d'));

export const createKeys = (prefix: string): Keys => {
  const tag = (topic: string, partition: number): string => `${prefix}:{${homeOf(topic)}:${partition}}:${topic}`;
  return {
    stream: tag,
    retries: (topic, partition, group) => `${tag(topic, partition)}|retries|${group}`,
    delayed: (topic, partition) => `${tag(topic, partition)}|delayed`,
    topics: `${prefix}|topics`,
    store: (key) => `${prefix}|store:{${quoted(key)}}`,
    tokens: (key) => `${prefix}|store:{${quoted(key)}}|token`,
  };
};

/** The pseudo consumer that owns what waits for its next attempt. */
export const PARKED = '~retries';
