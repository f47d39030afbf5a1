// Redrives all dead letters, in a process of its own that may be killed. Its arguments: the URL and the prefix of the keys.
import { createKernel } from '@logistically/events-kernel';
import { redisStreams } from '@logistically/events-redis-streams';
import { dlq } from '../src/index.ts';

const [url = '', prefix = ''] = process.argv.slice(2);
const kernel = await createKernel({ service: 'tool' })
  .use(redisStreams({ url, prefix }))
  .use(dlq({ audit: false }))
  .start();
const { redriven } = await kernel.dlq.redrive({
  filter: {},
  onProgress: (progress) => {
    if (progress.redriven % 500 === 0) process.send?.({ redriven: progress.redriven });
  },
});
await kernel.stop();
process.send?.({ done: redriven });
