import { expect, test, vi } from 'vitest';
import { paceOf } from '../src/pace.ts';

test('a wait that is longer than a timer can be is kept', async () => {
  const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
  const stop = new AbortController();
  const passed = vi.fn();
  const waiting = paceOf(1e-7, stop.signal)().then(passed);
  // A timer that overflows fires after 1 ms, before this one.
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(warned).not.toHaveBeenCalled();
  expect(passed).not.toHaveBeenCalled();
  stop.abort();
  await waiting;
  expect(passed).toHaveBeenCalledTimes(1);
  warned.mockRestore();
});
