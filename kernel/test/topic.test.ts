import { describe, expect, test } from 'vitest';
import { checkTopic, firstSegment, topicMapping } from '../src/index.ts';

test('by default the first segment names the topic', () => {
  expect(firstSegment.topicOf('user.created')).toBe('user-events');
  expect(firstSegment.topicOf('TASK_CREATED')).toBe('TASK_CREATED-events');
  expect(firstSegment.topicsOf('user.*')).toEqual(['user-events']);
  expect(firstSegment.topicsOf('*.created')).toBe('all');
});

describe('topicMapping', () => {
  const strategy = topicMapping({ 'user.*': 'people', 'user.created': 'newcomers', '*.deleted': 'graves' });

  test('takes the first pattern that takes the type, else the other strategy', () => {
    const types = ['user.created', 'user.deleted', 'order.deleted', 'superuser.created'];
    expect(types.map(strategy.topicOf)).toEqual(['people', 'people', 'graves', 'superuser-events']);
    expect(topicMapping({}, { topicOf: () => 'one' }).topicOf('a.b')).toBe('one');
  });

  test('finds a pattern in every topic that may hold its events', () => {
    expect(strategy.topicsOf?.('user.*')).toEqual(['people', 'newcomers', 'graves', 'user-events']);
    expect(strategy.topicsOf?.('*.created')).toBe('all');
    expect(topicMapping({}, { topicOf: () => 'one' }).topicsOf?.('user.*')).toBe('all');
  });

  test('refuses what is no pattern and what is no topic', () => {
    const invalid = expect.objectContaining({ code: 'EVENTS_INVALID_NAME' });
    expect(() => topicMapping({ 'user*': 'people' })).toThrow(invalid);
    expect(() => topicMapping({ 'user.*': 'no topic' })).toThrow(invalid);
  });
});

test.each(['user-events', 'a.b_c-1', 'dlq:user-events', 'dlq:user-events:validation'])('%s is a topic', (topic) => {
  expect(() => checkTopic(topic)).not.toThrow();
});

test.each(['', ':a', 'a:', 'a:b:c:d', 'a b', 'a{b}', 'a*', 'a/b', 'ä', 'a\n', 'x'.repeat(256)])(
  '%j is no topic',
  (topic) => {
    expect(() => checkTopic(topic)).toThrow(expect.objectContaining({ code: 'EVENTS_INVALID_NAME' }));
  },
);
