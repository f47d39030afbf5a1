import { isEventsError } from '@logistically/events-kernel';
import { describe, expect, test } from 'vitest';
import { connectionLost, isConnectionError, isReply, replyError, timedOut } from '../src/error.ts';

const replies: readonly [string, string, string][] = [
  ["OOM command not allowed when used memory > 'maxmemory'.", 'OUT_OF_MEMORY', 'OOM'],
  ["OOM command not allowed when used memory > 'maxmemory'. script: 0a1b, on @user_script:8.", 'OUT_OF_MEMORY', 'OOM'],
  ['MISCONF Redis is configured to save RDB snapshots, but …', 'NOT_PERSISTED', 'MISCONF'],
  ["READONLY You can't write against a read only replica.", 'READONLY', 'READONLY'],
  ["NOPERM this user has no permissions to run the 'xadd' command", 'NO_PERMISSION', 'NOPERM'],
  ["ERR The user executing the script can't run this command or subcommand script: 0a", 'NO_PERMISSION', 'NOPERM'],
  ['NOAUTH Authentication required.', 'AUTH', 'NOAUTH'],
  ['WRONGPASS invalid username-password pair or user is disabled.', 'AUTH', 'WRONGPASS'],
  ['WRONGTYPE Operation against a key holding the wrong kind of value', 'WRONG_TYPE', 'WRONGTYPE'],
  ["-NOGROUP No such key 'a' or consumer group 'b'", 'NO_GROUP', 'NOGROUP'],
  ["ERR NOGROUP No such consumer group 'b' for key name 'a'", 'NO_GROUP', 'NOGROUP'],
  ['LOST the delivery is no longer pending for this consumer', 'LEASE_LOST', 'LOST'],
  ['GONE the entry is no longer in the stream', 'ENTRY_GONE', 'GONE'],
];

describe('a reply', () => {
  test.each(replies)('%s', (text, code, word) => {
    const error = replyError(text);
    expect(isEventsError(error)).toBe(true);
    expect(error.code).toBe(`EVENTS_REDIS_STREAMS_${code}`);
    expect(isReply(error, word)).toBe(true);
    expect(isConnectionError(error)).toBe(false);
    // What happened and what to do, in words of our own: Redis' own may show names.
    expect(error.message).not.toContain("'");
    expect(error.message).toMatch(/\.$/);
  });

  test('that nobody knows is told by its text, without the arguments of the command', () => {
    for (const text of [
      "ERR unknown command 'XFOO', with args beginning with: 'secret'",
      'ERR user_script:12: boom script: 0a1b, on @user_script:12. Args: secret',
      `ERR ${'long '.repeat(1000)}`,
    ]) {
      const error = replyError(text);
      expect(error.code).toBe('EVENTS_REDIS_STREAMS_REPLY');
      expect(error.message).not.toContain('secret');
      expect(error.message.length).toBeLessThan(300);
      expect(isReply(error, 'ERR')).toBe(true);
    }
  });
});

test.each([
  ['MOVED 3999 127.0.0.1:6381', { slot: 3999, host: '127.0.0.1', port: 6381 }],
  ['ASK 3999 ::1:6381', { slot: 3999, host: '::1', port: 6381 }],
  // The host that was asked: it is not named, or has no name.
  ['MOVED 3999 :6381', { slot: 3999, host: '', port: 6381 }],
  ['ASK 3999 ?:6381', { slot: 3999, host: '', port: 6381 }],
  ['OOM no', undefined],
])('%s names a node', (text, redirection) => {
  expect(replyError(text).redirection).toEqual(redirection);
});

test('a lost connection and a late answer are worth another try, anything else is not', () => {
  expect([connectionLost(), timedOut(5), new Error('x'), undefined].map(isConnectionError)).toEqual([
    true,
    true,
    false,
    false,
  ]);
  expect(timedOut(1234).message).toContain('1234 ms');
});
