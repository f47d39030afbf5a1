import { existsSync } from 'node:fs';
import { get } from 'node:http';
import { connect } from 'node:net';
import { homedir } from 'node:os';
import { join } from 'node:path';

const ANSWER_DEADLINE_MS = 2_000;

/** Where a Docker engine may listen: as DOCKER_HOST says, else at the usual sockets. */
const endpoints = (environment: NodeJS.ProcessEnv): string[] => {
  const named = environment.DOCKER_HOST;
  if (named) return [named];
  if (process.platform === 'win32') return ['npipe:////./pipe/docker_engine'];
  const runtime = environment.XDG_RUNTIME_DIR;
  return [
    '/var/run/docker.sock',
    ...(runtime ? [join(runtime, 'docker.sock')] : []),
    join(homedir(), '.docker', 'run', 'docker.sock'),
    join(homedir(), '.docker', 'desktop', 'docker.sock'),
  ]
    .filter((path) => existsSync(path))
    .map((path) => `unix://${path}`);
};

const answersPing = (socketPath: string): Promise<boolean> =>
  new Promise((resolve) => {
    const request = get({ socketPath, path: '/_ping', signal: AbortSignal.timeout(ANSWER_DEADLINE_MS) }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    request.on('error', () => resolve(false));
  });

const accepts = (host: string, port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect({ host, port, signal: AbortSignal.timeout(ANSWER_DEADLINE_MS) });
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });

const answers = (endpoint: string): Promise<boolean> => {
  const [, scheme, rest] = /^(\w+):\/\/(.*)$/.exec(endpoint) ?? [];
  if (scheme === 'unix' || scheme === 'npipe') return answersPing(rest ?? '');
  // Whether a remote engine wants TLS is for Testcontainers to know: here it is enough that somebody listens.
  if (!URL.canParse(endpoint)) return Promise.resolve(false);
  const { hostname, port } = new URL(endpoint);
  return accepts(hostname, Number(port || 2375));
};

/** Tells within seconds why no Docker engine can be used; undefined when one answers. */
export const dockerUnavailable = async (environment: NodeJS.ProcessEnv = process.env): Promise<string | undefined> => {
  const candidates = endpoints(environment);
  if (candidates.length === 0) return 'there is no socket of a Docker engine and DOCKER_HOST is not set';
  const verdicts = await Promise.all(candidates.map(answers));
  return verdicts.includes(true) ? undefined : `no Docker engine answers at ${candidates.join(', ')}`;
};
