import { expect, test } from 'vitest';
import { createKernel, type Logger } from '../src/index.ts';
import { Probe, silent, startProbe } from './probe.ts';

const recording = (): { logger: Logger; lines: [string, object, string][] } => {
  const lines: [string, object, string][] = [];
  const level = (name: string) => (fields: object, message: string) => void lines.push([name, fields, message]);
  return { lines, logger: { debug: level('debug'), warn: level('warn'), error: level('error') } };
};

test('a listener hears until it ends', async () => {
  const { kernel, probe } = await startProbe();
  const heard: unknown[] = [];
  const end = kernel.on('connected', (event) => heard.push(event));
  probe.host?.emit('connected', { transport: 'probe' });
  end();
  probe.host?.emit('connected', { transport: 'again' });
  expect(heard).toEqual([{ transport: 'probe' }]);
});

test('* hears all, with the type', async () => {
  const kernel = createKernel({ service: 'shop', logger: silent }).use(new Probe());
  const heard: string[] = [];
  kernel.on('*', (type) => heard.push(type));
  await kernel.start();
  const { unsubscribe } = await kernel.subscribe('a.x', () => {});
  await unsubscribe();
  await kernel.stop();
  expect(heard).toEqual(['started', 'subscribed', 'unsubscribed', 'stopping', 'stopped']);
});

test('a listener that throws keeps nobody from hearing, and nothing from settling', async () => {
  const { logger, lines } = recording();
  const { kernel, probe } = await startProbe({ logger });
  const heard: unknown[] = [];
  kernel.on('failed', () => {
    throw new Error('listener');
  });
  kernel.on('failed', ({ reason }) => heard.push(reason));
  await kernel.subscribe('a.x', () => {
    throw 'reason';
  });
  expect(await probe.settled(probe.deliver('a.x', 1))).toBe('reason');
  expect(heard).toEqual(['reason']);
  expect(lines.filter(([level]) => level === 'error')).toEqual([
    ['error', { reason: new Error('listener') }, expect.any(String)],
  ]);
});

test('a failure is logged with where and why, never with the payload', async () => {
  const { logger, lines } = recording();
  const { kernel, probe } = await startProbe({ logger });
  await kernel.subscribe('a.x', () => {
    throw new Error('no');
  });
  await probe.settled(probe.deliver('a.x', { secret: 'abc' }, { cursor: '7', attempt: 2 }));
  await probe.settled(probe.deliver('a.x', 1, { payload: 'abc' }));
  const where = { transport: 'probe', topic: 'topic', partition: 0, group: 'shop' };
  expect(lines).toEqual([
    ['warn', { ...where, cursor: '7', attempt: 2, reason: new Error('no') }, expect.any(String)],
    [
      'error',
      { ...where, cursor: '1', attempt: 1, reason: expect.objectContaining({ code: 'EVENTS_UNDECODABLE' }) },
      expect.any(String),
    ],
  ]);
  expect(JSON.stringify(lines)).not.toContain('abc');
});

test('a transport or a logger that throws while a delivery is settled is told of', async () => {
  const errors: unknown[] = [];
  const broken = {
    ...silent,
    warn: () => {
      throw new Error('logger');
    },
  };
  const { kernel, probe } = await startProbe({ logger: broken });
  kernel.on('error', ({ source, reason }) => errors.push([source, (reason as Error).message]));
  await kernel.subscribe('a.x', ({ body }) => {
    if (body === 1) throw new Error('no');
  });
  await probe.settled(probe.deliver('a.x', 1));
  probe.onSettled = () => {
    throw new Error('transport');
  };
  probe.deliver('a.x', 2);
  expect(errors).toEqual([
    ['probe', 'logger'],
    ['probe', 'transport'],
  ]);
  expect(kernel.stats().inFlight).toBe(0);
});
