import { createKernel } from '@logistically/events-kernel';
import { redis } from '@logistically/events-conformance/services';
import { redisStreams } from '@logistically/events-redis-streams';
import { Redis } from 'ioredis';
import { idempotency } from '../src/index.ts';
const silent = { debug() {}, info() {}, warn() {}, error() {} };
const server = await redis({ sources: ['binary'] });
const bare = process.argv[2] === 'bare';
const make = () => {
  const k = createKernel({ service: 'shop', logger: silent }).use(redisStreams({ url: server.url, leaseMs: 1000, claimIntervalMs: 100, timeoutMs: 2000 }));
  return bare ? k : k.use(idempotency({ leaseMs: 400, produce: { by: ({ header }) => header.id } }));
};
const pub = make(), con = make();
await pub.start(); await con.start();
const at: number[] = [];
const t0 = performance.now();
await con.subscribe('order.*', async () => { at.push(performance.now() - t0); await Promise.resolve(); });
const r = new Redis(server.url);
await r.config('RESETSTAT');
const mon = process.argv[3] === 'mon' ? await r.duplicate().monitor() : undefined;
mon?.on('monitor', (time: string, args: string[]) => console.log(time, args.slice(0, 3).join(' ').slice(0, 100), args.length));
let next = 0;
const nums = (n: number, f: number) => Array.from({ length: n }, (_, i) => f + i);
for (let round = 0; round < 5; round++) {
  await pub.publishBatch(nums(25, next).map((body) => ({ type: 'order.placed', body }))); next += 25;
  for (const body of nums(5, next)) await pub.publish('order.placed', body); next += 5;
  await Promise.all(nums(10, next).map((body) => pub.publish('order.placed', body))); next += 10;
}
console.log('published after', performance.now() - t0);
while (at.length < 200) await new Promise((s) => setTimeout(s, 5));
console.log('handled after', performance.now() - t0, 'max gap', Math.max(...at.map((x, i) => x - (at[i - 1] ?? x))));
console.log((await r.info('commandstats')).replace(/\r/g, ''));
mon?.disconnect();
r.disconnect();
await pub.stop(); await con.stop(); await server.stop();
