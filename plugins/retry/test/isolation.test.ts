import { createKernel } from '@logistically/events-kernel';
import { memory } from '@logistically/events-memory';
import { expect, onTestFinished, test } from 'vitest';
import { retry } from '../src/index.ts';
import { quiet, until } from './scene.ts';

test('two kernels may use one and the same: each publishes to its own broker, and the stop of one does not stop the other', async () => {
  const policy = retry({ publish: { baseDelayMs: 1 } });
  const handled: string[] = [];
  const start = async (service: string) => {
    let failing = false;
    const kernel = createKernel({ service, logger: quiet })
      .use(memory())
      .use(policy)
      .use({
        kind: 'middleware',
        name: 'fails-once',
        publish: {
          stage: 'encode',
          layer: (next) => (batch, settle) => {
            if (!failing) return next(batch, settle);
            failing = false;
            for (const event of batch) settle(event, new Error('down'));
          },
        },
      });
    onTestFinished(async () => void (await kernel.stop(200)));
    await kernel.subscribe('a.*', ({ body }) => void handled.push(`${service} ${body}`));
    await kernel.start();
    return {
      kernel,
      failOnce() {
        failing = true;
      },
    };
  };
  const [one, two] = [await start('one'), await start('two')];
  await one.kernel.publish('a.b', 1);
  await until(() => handled.length > 0, 'it is handled');
  await two.kernel.stop();
  one.failOnce();
  await one.kernel.publish('a.b', 2);
  await until(() => handled.length > 1, 'that too');
  expect(handled).toEqual(['one 1', 'one 2']);
});
