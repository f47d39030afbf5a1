import { expect, test } from 'vitest';
import { type DlqOptions, dlq } from '../src/index.ts';
import { settingsOf } from '../src/options.ts';

test('maxAttempts is 4, and maxRetriesBeforeDLQ counts without the first', () => {
  expect(settingsOf({}).maxAttempts).toBe(4);
  expect(settingsOf({ maxRetriesBeforeDLQ: 0 }).maxAttempts).toBe(1);
  expect(settingsOf({ maxRetriesBeforeDLQ: 3, maxAttempts: 4 }).maxAttempts).toBe(4);
});

test('the names of the seeds are taken', () => {
  expect(settingsOf({ dlqStreamPrefix: 'dead:', dlqRetention: { maxLength: 5 } })).toMatchObject({
    prefix: 'dead:',
    retention: { maxLength: 5 },
  });
});

test.each<DlqOptions>([
  { maxAttempts: 0 },
  { maxAttempts: 1.5 },
  { maxRetriesBeforeDLQ: -1 },
  { maxAttempts: 3, maxRetriesBeforeDLQ: 3 },
  { prefix: 'dlq' },
  { prefix: 'a:b:' },
  { prefix: 'dlq:', dlqStreamPrefix: 'dead:' },
  { retention: { maxLength: -1 } },
  { retention: { maxAgeMs: 0 } },
  { retention: { maxLength: 1 }, dlqRetention: { maxLength: 2 } },
  { retryMs: Number.NaN },
  { classification: {} as { classify: () => undefined } },
  { poisonMessageHandler: 'x' as unknown as () => void },
  { retryMs: 1e300 },
  { classification: 'x' as unknown as true },
  { classification: null as unknown as true },
  { retention: 5 as unknown as object },
  { enabled: 'false' as unknown as false },
  { audit: 0 as unknown as false },
  null as unknown as DlqOptions,
  'x' as unknown as DlqOptions,
])('%j is refused at once', (options) => {
  expect(() => dlq(options)).toThrow(expect.objectContaining({ code: 'EVENTS_CONFIG' }));
});
