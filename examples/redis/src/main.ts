import { runShop } from '@logistically/events-example-quickstart';
import { isEventsError } from '@logistically/events-kernel';
import { redisStreams } from '@logistically/events-redis-streams';

const url = process.env.REDIS_URL ?? 'redis://127.0.0.1:6379';
// Each run begins with an empty shop: a prefix of its own keeps it apart from the last one.
const prefix = `shop-${Date.now().toString(36)}`;

try {
  await runShop(redisStreams({ url, prefix }));
} catch (reason) {
  if (!isEventsError(reason)) throw reason;
  console.error(`${reason.message}\nSet REDIS_URL, or start a server: docker run --rm -p 6379:6379 redis:7`);
  process.exitCode = 1;
}
