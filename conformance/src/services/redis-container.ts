import { setTimeout as sleep } from 'node:timers/promises';
import { EventsError } from '@logistically/events-kernel';
import type { ContainerRuntimeClient } from 'testcontainers';
import { dockerUnavailable } from './docker-engine.ts';
import { withFreePort } from './free-port.ts';
import type { RedisAddress } from './redis-address.ts';
import type { RedisAttempt } from './redis-attempt.ts';
import { redisCommand } from './redis-command.ts';
import { type RedisOptions, serverArguments } from './redis-options.ts';
import { ownRedisService, type RedisService } from './redis-service.ts';
import type { ServerControl } from './server-control.ts';

type Container = ReturnType<ContainerRuntimeClient['container']['getById']>;

const REDIS_PORT = 6379;
const DEFAULT_IMAGE = 'redis:7.0';
/** Pulling the image included. */
const CREATE_DEADLINE_MS = 120_000;
const READY_DEADLINE_MS = 15_000;
const END_DEADLINE_S = 10;

/** Starts Redis in a container, by Testcontainers, which also removes it should the current process die. */
export const redisFromContainer = async (options: RedisOptions): Promise<RedisAttempt> => {
  if (options.tls) return { reason: 'a container is not given certificates' };
  const unavailable = await dockerUnavailable();
  if (unavailable !== undefined) return { reason: unavailable };
  try {
    return { service: await withFreePort((port) => startOn(port, options)) };
  } catch (error) {
    return { reason: `the container did not start (${error instanceof Error ? error.message : String(error)})` };
  }
};

const startOn = async (port: number, options: RedisOptions): Promise<RedisService | undefined> => {
  const { GenericContainer, Wait, getContainerRuntimeClient } = await import('testcontainers');
  const starting = new GenericContainer(options.image ?? DEFAULT_IMAGE)
    .withCommand(['redis-server', '--protected-mode', 'no', ...serverArguments(options)])
    // A fixed port, since Docker would choose another one whenever the container starts again.
    .withExposedPorts({ container: REDIS_PORT, host: port })
    .withWaitStrategy(Wait.forLogMessage('Ready to accept connections'))
    .withStartupTimeout(READY_DEADLINE_MS)
    .start();
  const started = await Promise.race([starting, sleep(CREATE_DEADLINE_MS, undefined, { ref: false })]).catch(
    (error) => {
      if (/port is already allocated|address already in use/i.test(String(error))) return 'taken' as const;
      throw error;
    },
  );
  if (started === 'taken') return undefined;
  if (started === undefined) {
    starting.then((late) => late.stop()).catch(() => {});
    throw new Error(`not up after ${CREATE_DEADLINE_MS / 1000} s, is the registry reachable?`);
  }
  const { password } = options;
  const address: RedisAddress = { host: started.getHost(), port, ...(password !== undefined && { password }) };
  const { container } = await getContainerRuntimeClient();
  const control = new ContainerControl(container.getById(started.getId()), address);
  await control.start();
  return ownRedisService(address, 'container', control);
};

class ContainerControl implements ServerControl {
  readonly #container: Container;
  readonly #address: RedisAddress;

  constructor(container: Container, address: RedisAddress) {
    this.#container = container;
    this.#address = address;
  }

  async start(): Promise<void> {
    if (!(await this.#state()).Running) await this.#container.start();
    const deadline = Date.now() + READY_DEADLINE_MS;
    while (!(await this.#answers())) {
      if (Date.now() > deadline) {
        throw new EventsError(
          'EVENTS_SERVICE_FAILED',
          `The Redis container did not answer within ${READY_DEADLINE_MS} ms. Look at its log with docker logs.`,
        );
      }
      await sleep(20);
    }
  }

  async end(): Promise<void> {
    await this.thaw();
    if ((await this.#state()).Running) await this.#container.stop({ t: END_DEADLINE_S });
  }

  async kill(): Promise<void> {
    if (!(await this.#state()).Running) return;
    const gone = this.#container.wait();
    await this.#container.kill({ signal: 'SIGKILL' });
    await gone;
  }

  async freeze(): Promise<void> {
    const { Running, Paused } = await this.#state();
    if (Running && !Paused) await this.#container.pause();
  }

  async thaw(): Promise<void> {
    if ((await this.#state()).Paused) await this.#container.unpause();
  }

  async dispose(): Promise<void> {
    await this.#container.remove({ force: true, v: true });
  }

  async #state(): Promise<{ Running: boolean; Paused: boolean }> {
    return (await this.#container.inspect()).State;
  }

  async #answers(): Promise<boolean> {
    try {
      return (await redisCommand(this.#address, ['PING'], 1_000)) === 'PONG';
    } catch {
      // Refused or still loading: asked again until the deadline.
      return false;
    }
  }
}
