import { expect, test } from 'vitest';
import { parseRedisUrl } from '../src/services/redis-address.ts';
import { encodeCommand, type RespReply, readReply } from '../src/services/resp.ts';

test.each<[string, RespReply]>([
  ['+OK\r\n', 'OK'],
  ['-ERR no\r\n', new Error('ERR no')],
  [':-42\r\n', -42],
  ['$5\r\na\r\nü\r\n', 'a\r\nü'],
  ['$0\r\n\r\n', ''],
  ['$-1\r\n', null],
  ['*-1\r\n', null],
  ['*0\r\n', []],
  ['*3\r\n:1\r\n*2\r\n$1\r\na\r\n$-1\r\n-ERR in\r\n', [1, ['a', null], new Error('ERR in')]],
])('%j is read whole and never in part', (text, reply) => {
  const bytes = Buffer.from(text);
  for (let length = 0; length < bytes.length; length++) expect(readReply(bytes.subarray(0, length))).toBe(undefined);
  expect(readReply(Buffer.concat([bytes, Buffer.from('+more')]))).toEqual({ reply, end: bytes.length });
});

test('what is not RESP is refused', () => {
  expect(() => readReply(Buffer.from('HTTP/1.1 400 Bad Request\r\n'))).toThrow('not in the Redis protocol');
});

test('a command counts bytes, not characters', () => {
  expect(encodeCommand(['GET', 'ü'])).toBe('*2\r\n$3\r\nGET\r\n$2\r\nü\r\n');
});

test.each([
  ['redis://localhost', { host: 'localhost', port: 6379 }],
  ['rediss://u%40:p%2F@h:7000/2', { host: 'h', port: 7000, username: 'u@', password: 'p/', database: 2, tls: true }],
  ['redis://[::1]:6380', { host: '::1', port: 6380 }],
  ['http://localhost', undefined],
  ['localhost:6379', undefined],
  ['redis://h/name', undefined],
])('the address %s', (text, address) => {
  expect(parseRedisUrl(text)).toEqual(address);
});
