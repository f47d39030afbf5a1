import { check, Patterns } from './pattern.ts';

/** Topics that a pattern may find events in; `'all'` where that is not known beforehand. Derived topics are not among them. */
export type Topics = readonly string[] | 'all';

/** Decides which topic the events of a type go to. */
export interface TopicStrategy {
  readonly topicOf: (type: string) => string;
  /** For a pattern with `*`. Too many topics cost time; a missing one costs events. Default: all. */
  readonly topicsOf?: (pattern: string) => Topics;
}

/** `user.created` → `user-events`: the events of one entity keep their order. The default. */
export const firstSegment: Required<TopicStrategy> = {
  topicOf: (type) => `${type.split('.', 1)}-events`,
  topicsOf: (pattern) => (pattern.startsWith('*') ? 'all' : [firstSegment.topicOf(pattern)]),
};

/** Sends types to named topics by pattern, the first that takes the type; what none takes goes on to `otherwise`. */
export const topicMapping = (
  mapping: Readonly<Record<string, string>>,
  otherwise: TopicStrategy = firstSegment,
): TopicStrategy => {
  const patterns = new Patterns<string>();
  for (const pattern in mapping) patterns.add(pattern, checkTopic(mapping[pattern] as string));
  return {
    topicOf: (type) => patterns.match(type)[0] ?? otherwise.topicOf(type),
    topicsOf: (pattern) => {
      const others = otherwise.topicsOf?.(pattern) ?? 'all';
      return others === 'all' ? others : [...new Set([...Object.values(mapping), ...others])];
    },
  };
};

/**
 * Throws `EVENTS_INVALID_NAME` unless `topic` is letters, digits, `.`, `-` and `_`. A derived topic, as a dead letter queue is,
 * has the form `kind:topic` or `kind:topic:detail` and is kept beside its topic.
 */
export const checkTopic = (topic: string): string =>
  check(topic, /^[\w.-]+(:[\w.-]+){0,2}$/, 'name of a topic, group or service: use letters, digits, . - and _');
