#!/usr/bin/env node
import { createKernel, type Logger } from '@logistically/events-kernel';
import { trailOf } from './audit.ts';
import { commands, type Result } from './cli/commands.ts';
import { printable } from './cli/printable.ts';
import { type Request, requestOf } from './cli/request.ts';
import { concealed } from './cli/secret.ts';
import { transportOf } from './cli/source.ts';
import { USAGE } from './cli/usage.ts';
import { dlq } from './dlq.ts';

const STOP_MS = 5000;
const SIGNALS = { SIGINT: 130, SIGTERM: 143 } as const;

/** What the kernel would log arrives as `error` events too, and is told from there. */
const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} };

/** Where the dead letters are, once it is known: it must not be printed. */
let url: string | undefined;

/** Only the message, and no secret in it: what an error carries beside it may show a password. */
const complain = (thrown: unknown): void => {
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  console.error(printable(concealed(message, url)));
};

const stop = new AbortController();
let endedBy: number | undefined;
/** A command is under way that is to come to its end in good order. */
let isWorking = false;
for (const [signal, code] of Object.entries(SIGNALS))
  process.on(signal, () => {
    // Once more: somebody does not want to wait.
    if (!isWorking || endedBy !== undefined) process.exit(code);
    endedBy = code;
    stop.abort();
  });

const perform = async (request: Request): Promise<Result> => {
  const { command, source, service, dlqPrefix: prefix } = request;
  const transport = await transportOf(source);
  const kernel = createKernel({ service, logger: silent })
    .use(transport)
    .use(dlq({ transport: transport.name, ...(prefix !== undefined && { prefix }) }));
  kernel.on('error', ({ reason }) => {
    complain(reason);
    const trail = trailOf(reason);
    if (trail) complain(JSON.stringify(trail));
  });
  await kernel.start();
  try {
    isWorking = command === 'redrive' || command === 'purge';
    return await commands[command](kernel.dlq, request, stop.signal);
  } finally {
    await kernel.stop(STOP_MS);
  }
};

const main = async (): Promise<number> => {
  const request = requestOf(process.argv.slice(2), process.env);
  if (request === 'help') {
    console.log(USAGE);
    return 0;
  }
  const { command, yes, dryRun, source } = request;
  if ('url' in source) url = source.url;
  if (command === 'purge' && !yes && !dryRun && !(process.stdin.isTTY && process.stderr.isTTY)) {
    console.error('purge removes for good, and there is nobody to ask: give --yes, or try --dry-run.');
    return 2;
  }
  const { out, code, problem } = await perform(request);
  if (out !== '') console.log(out);
  if (problem !== undefined) complain(problem);
  return endedBy ?? code;
};

// Who no longer looks at the progress still wants the work done. (What the console writes, it sees to itself.)
process.stderr.on('error', () => {});
// Node would print all that an error carries.
process.on('uncaughtException', (thrown) => {
  complain(thrown);
  process.exit(1);
});
try {
  process.exitCode = await main();
} catch (thrown) {
  complain(thrown);
  process.exitCode = endedBy ?? 2;
}
// A transport that leaves something open must not keep the process alive.
process.stdout.write('', () => process.exit());
