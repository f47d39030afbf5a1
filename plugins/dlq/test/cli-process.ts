import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { onTestFinished } from 'vitest';

interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly out: string;
  readonly err: string;
}

interface CliProcess {
  /** What it wrote to its standard error so far. */
  readonly err: () => string;
  readonly kill: (signal: NodeJS.Signals) => void;
  readonly exit: Promise<Exit>;
}

const CLI = fileURLToPath(new URL('../src/cli.ts', import.meta.url));
const TSX = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;

/** The program and arguments that run the CLI, or another file. */
export const command = (file = CLI): readonly [string, ...string[]] => [process.execPath, '--import', TSX, file];

/** Writes the CLI as plain JavaScript, as it is published. */
export const build = async (outfile: string): Promise<void> => {
  // From the tools of the workspace, as tsx is.
  const esbuild = pathToFileURL(createRequire(import.meta.url).resolve('esbuild')).href;
  const { default: tool } = (await import(esbuild)) as { default: { build: (options: object) => Promise<unknown> } };
  const common = { bundle: true, format: 'esm', platform: 'node', target: 'node20' };
  await tool.build({ ...common, entryPoints: [CLI], outfile });
};

/** The environment without what a developer, or a tool that runs the tests, may have set. */
const environment = (added: Readonly<Record<string, string>> = {}): NodeJS.ProcessEnv => {
  const { EVENTS_DLQ_URL: _, REDIS_URL: __, NODE_PATH: ___, ...rest } = process.env;
  return { ...rest, ...added };
};

/** Runs a program, by default the CLI, in a process of its own that ends with the test. Standard input is empty. */
export const start = (
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  {
    cwd = process.cwd(),
    run = command(),
  }: { readonly cwd?: string; readonly run?: readonly [string, ...string[]] } = {},
): CliProcess => {
  const [program, ...before] = run;
  const child = spawn(program, [...before, ...args], {
    cwd,
    env: environment(env),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  let [out, err] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (out += chunk));
  child.stderr.on('data', (chunk: Buffer) => (err += chunk));
  const exit = new Promise<Exit>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ code, signal, out, err }));
  });
  return { err: () => err, kill: (signal) => void child.kill(signal), exit };
};
