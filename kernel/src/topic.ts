import { checkPattern, matches } from './pattern.ts';
import { EventsError } from './error.ts';

/** Topics that a pattern may find events in; `'all'` where that is not known beforehand. */
export type Topics = readonly string[] | 'all';

/** Decides which topic the events of a type go to. */
export interface TopicStrategy {
  readonly topicOf: (type: string) => string;
  /** For a pattern with `*`. Too many topics cost time; a missing one costs events. Default: all. */
  readonly topicsOf?: (pattern: string) => Topics;
}

const first = (name: string): string => name.split('.', 1)[0] as string;

/** `user.created` → `user-events`: the events of one entity keep their order. The default. */
export const firstSegment: Required<TopicStrategy> = {
  topicOf: (type) => `${first(type)}-events`,
  topicsOf: (pattern) => (first(pattern) === '*' ? 'all' : [`${first(pattern)}-events`]),
};

/** Sends types to named topics by pattern, the first that takes the type; what none takes goes on to `otherwise`. */
export const topicMapping = (mapping: Readonly<Record<string, string>>, otherwise: TopicStrategy = firstSegment): TopicStrategy => {
  const entries = Object.entries(mapping);
  for (const [pattern, topic] of entries) {
    checkPattern(pattern);
    checkTopic(topic);
  }
  return {
    topicOf: (type) => entries.find(([pattern]) => matches(pattern, type))?.[1] ?? otherwise.topicOf(type),
    topicsOf: (pattern) => {
      const others = otherwise.topicsOf?.(pattern) ?? 'all';
      return others === 'all' ? 'all' : [...new Set([...entries.map(([, topic]) => topic), ...others])];
    },
  };
};

const TOPIC = /^[\w.-]+(?::[\w.-]+){0,2}$/;

/**
 * Throws `EVENTS_INVALID_NAME` unless `topic` is letters, digits, `.`, `-` and `_`. A derived topic, as a dead letter queue is,
 * has the form `kind:topic` or `kind:topic:detail` and is kept beside its topic.
 */
export function checkTopic(topic: string): void {
  if (typeof topic !== 'string' || topic.length > 255 || !TOPIC.test(topic))
    throw new EventsError(
      'EVENTS_INVALID_NAME',
      `${JSON.stringify(String(topic).slice(0, 64))} is no topic. Use letters, digits, . - and _, at most 255 characters.`,
    );
}
