import { randomBytes, randomInt } from 'node:crypto';
import { redisCluster } from '@logistically/events-conformance/services';
import { slotOf } from '@logistically/events-redis-streams/engine';
import { Redis } from 'ioredis';
import { expect, test } from 'vitest';

const ODD = [
  ...['', 'a', '123456789', '{', '}', '{}', '{}a', 'a{}', '{}{a}', '{{a}}', '{a}{b}', '}{a}', '{a', 'a}', 'a{b}c{d}'],
  ...['a{{b}}c', 'a{b{c}d}e', '{user-events:0}', 'events:{user-events:0}:dlq:user-events', 'events|store:{"{}"}'],
  ...['ü{ß}', '{日本}', '\u{1f600}{\u{1f600}}', '{ }', '\0{\0}', 'a\n{b\r\n}', '{\u00e9}', '{e\u0301}'],
];
const ALPHABET = ['{', '}', 'a', 'b', 'é', '日', '\u{1f600}', ':', '|', '"', '\\', ' '];

/** Short, so that braces meet often. */
const random = (): string => {
  const text = Array.from({ length: randomInt(12) }, () => ALPHABET[randomInt(ALPHABET.length)]).join('');
  return randomInt(3) === 0 ? `${randomBytes(6).toString('hex')}${text}` : text;
};

test('the slot of a key is the one that Redis has for it, whatever its braces and letters', async () => {
  await using cluster = await redisCluster();
  const client = new Redis(cluster.nodes[0]?.url ?? '');
  try {
    const keys = [...ODD, ...Array.from({ length: 5000 }, random)];
    const slots = await Promise.all(keys.map((key) => client.cluster('KEYSLOT', key)));
    expect(keys.map((key) => [key, slotOf(key)])).toEqual(keys.map((key, index) => [key, slots[index]]));
  } finally {
    client.disconnect();
  }
});
