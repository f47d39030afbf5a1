import { mkdtempSync, rmSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { dockerUnavailable } from '../src/services/docker-engine.ts';

const listen = async (server: Server): Promise<string> => {
  const directory = mkdtempSync(join(tmpdir(), 'events-docker-'));
  const socket = join(directory, 'docker.sock');
  onTestFinished(() => {
    server.close();
    rmSync(directory, { recursive: true });
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  return `unix://${socket}`;
};

test('an engine that answers is available', async () => {
  const requests: (string | undefined)[] = [];
  const engine = createHttpServer((request, response) => {
    requests.push(request.url);
    response.end('OK');
  });
  expect(await dockerUnavailable({ DOCKER_HOST: await listen(engine) })).toBe(undefined);
  expect(requests).toEqual(['/_ping']);
});

test('an engine that is ill is not available', async () => {
  const engine = createHttpServer((_, response) => response.writeHead(500).end());
  expect(await dockerUnavailable({ DOCKER_HOST: await listen(engine) })).toContain('no Docker engine answers');
});

test('an engine that hangs is not waited for', async () => {
  const engine = createServer((socket) => onTestFinished(() => void socket.destroy()));
  expect(await dockerUnavailable({ DOCKER_HOST: await listen(engine) })).toContain('no Docker engine answers');
});

test.each(['unix:///nowhere/docker.sock', 'tcp://127.0.0.1:1', 'nonsense'])('nothing answers at %s', async (host) => {
  expect(await dockerUnavailable({ DOCKER_HOST: host })).toBe(`no Docker engine answers at ${host}`);
});
