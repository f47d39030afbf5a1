// The programs that services-worker.test.ts runs in processes of their own.
import { redis, spawnWorker } from '../src/services/index.ts';

const report = (message: object): void => {
  process.send?.(message);
};

const programs: Record<string, () => void | Promise<void>> = {
  echo() {
    process.on('message', (message) => report({ echo: message }));
    report({ ready: process.env.GREETING });
  },
  // More than a pipe holds, and then a sudden death.
  burst() {
    const padding = 'x'.repeat(10_000);
    for (let index = 0; index < 100; index++) report({ index, padding });
    process.send?.({ index: 100, padding }, () => process.kill(process.pid, 'SIGKILL'));
  },
  fail() {
    throw new Error('the worker gave up');
  },
  // Has a server and a process when it ends.
  async parent() {
    const server = await redis({ sources: ['binary', 'package'] });
    const child = spawnWorker(import.meta.filename, ['echo']);
    await child.next();
    const [, pid] = /process_id:(\d+)/.exec(String(await server.cli('INFO', 'server'))) ?? [];
    const [, directory] = (await server.cli('CONFIG', 'GET', 'dir')) as string[];
    process.on('message', () => process.exit());
    report({ server: Number(pid), directory, child: child.pid });
  },
};

await programs[process.argv[2] ?? '']?.();
