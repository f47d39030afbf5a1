import { setTimeout as sleep } from 'node:timers/promises';
import type { RedisNode } from '../../src/services/index.ts';
import { replicationRole } from '../../src/services/replication-role.ts';
import { now } from '../clock.ts';
import type { Ground } from './ground.ts';
import { PARTITIONS, STALE } from './load.ts';
import type { Incident, Scenario, Scene } from './scenario.ts';

type Fault = Scenario['fault'];

const POLL_MS = 20;
const PROMOTION_MS = 20_000;
/** How long what is gone without a failover stays away, in ms: for a server to be called down it takes one second. */
const AWAY_MS = 2000;
/** How long a thawed server may go on believing that it is the master while others work, in ms. */
const BELIEVING_MS = 1000;

export const ALL: readonly number[] = Array.from({ length: PARTITIONS }, (_, partition) => partition);

const draw = <T>(from: readonly T[], { random }: Scene): T => {
  if (from.length === 0) throw new Error('There is nothing to choose from.');
  return from[random.index(from.length)] as T;
};

/** The partitions that a master keeps. */
export const partitionsOf = async ({ ground }: Scene, master: RedisNode): Promise<number[]> => {
  const owners = await Promise.all(ALL.map(ground.ownerOf));
  return ALL.filter((partition) => owners[partition] === master);
};

/** Asks until there is an answer. */
const polled = async <T>(what: string, ask: () => Promise<T | undefined>): Promise<T> => {
  for (const end = now() + PROMOTION_MS; now() < end; await sleep(POLL_MS)) {
    const answer = await ask();
    if (answer !== undefined) return answer;
  }
  throw new Error(`Not within ${PROMOTION_MS} ms: ${what}.`);
};

/** When one of the replicas is a master, for which `then` is called at once, and when a sentinel says so. */
const promoted = async (
  { ground: { sentinels } }: Scene,
  replicas: readonly RedisNode[],
  then = (): void => {},
): Promise<Pick<Incident, 'upAt' | 'announcedAt'>> => {
  const { master, upAt } = await polled('a replica is the master', async () => {
    const roles = await Promise.all(replicas.map(replicationRole));
    const master = replicas.find((_, index) => roles[index]?.master);
    return master && { master, upAt: now() };
  });
  then();
  if (sentinels.length === 0) return { upAt };
  const announcedAt = await polled('a sentinel names the master', async () => {
    const question = ['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', 'mymaster'];
    const answers = await Promise.all(sentinels.map(({ probe }) => probe(...question).catch(() => undefined)));
    return answers.some((answer) => Array.isArray(answer) && Number(answer[1]) === master.port) ? now() : undefined;
  });
  return { upAt, announcedAt };
};

/** Of a master, drawn: what it keeps, and who may take over. */
const victim = async (scene: Scene) => {
  const { ground } = scene;
  const master = draw(await ground.masters(), scene);
  return { master, replicas: await ground.replicasOf(master), affected: await partitionsOf(scene, master) };
};

export const killMaster: Fault = async (scene) => {
  const { master, replicas, affected } = await victim(scene);
  const at = now();
  await master.kill();
  return { at, ...(await promoted(scene, replicas)), affected };
};

/** Has a server write what would be news if it were still the master; it refuses where it knows better. How often it did. */
const plantStale = async ({ streamOf }: Scene, master: RedisNode, partitions: readonly number[]): Promise<number> => {
  let planted = 0;
  for (const p of partitions) {
    const stream = streamOf(p);
    const [newest] = (await master.cli('XREVRANGE', stream, '+', '-', 'COUNT', '1').catch(() => [])) as [
      string,
      string[],
    ][];
    const payload = newest?.[1][1];
    if (payload === undefined) continue;
    const { header } = JSON.parse(payload) as { readonly header: object };
    const body = { p, n: STALE, at: now() };
    const event = JSON.stringify({ header, body });
    await master.cli('XADD', stream, '*', 'e', event).then(
      () => planted++,
      () => {},
    );
  }
  return planted;
};

export const freezeMaster: Fault = async (scene) => {
  const { master, replicas, affected } = await victim(scene);
  const at = now();
  await master.freeze();
  const news = await promoted(scene, replicas);
  await scene.works(now());
  await master.thaw();
  const planted = await plantStale(scene, master, affected);
  await sleep(BELIEVING_MS);
  return { at, ...news, planted, affected };
};

export const killReplica: Fault = async (scene) => {
  const { replicas, affected } = await victim(scene);
  const replica = draw(replicas, scene);
  const at = now();
  await replica.kill();
  await sleep(AWAY_MS);
  await replica.start();
  await scene.ground.inStep();
  return { at, affected };
};

/** As an operator does it: a master of a cluster first hands over to its replica. Sentinel is left to find another one by itself. */
const handOver = async ({ cluster, inStep }: Ground, node: RedisNode): Promise<void> => {
  const master = (await cluster?.masters())?.find(({ port }) => port === node.port);
  const [replica] = (master && (await cluster?.replicasOf(master))) ?? [];
  if (!replica) return;
  await cluster?.failover(replica);
  await inStep();
};

/** One after the other: told to end, started again, waited for until it is in step with the others. */
export const rollingRestart: Fault = async ({ ground, mark }) => {
  const at = now();
  for (const node of [...ground.nodes, ...ground.sentinels]) {
    await handOver(ground, node);
    const role = (await replicationRole(node))?.master ? 'master' : 'other';
    mark(`${node.port} (${role}) is told to end`);
    await node.restart();
    mark(`${node.port} runs again`);
    await ground.inStep();
  }
  return { at, affected: ALL };
};

export const loseSentinel: Fault = async (scene) => {
  const sentinel = draw(scene.ground.sentinels, scene);
  const at = now();
  await sentinel.kill();
  await sleep(AWAY_MS);
  await sentinel.start();
  return { at, affected: ALL };
};

/** Two of three sentinels and then the master are gone: nobody makes another one until the sentinels are back. */
export const loseSentinelQuorum: Fault = async (scene) => {
  const { master, replicas, affected } = await victim(scene);
  const gone = scene.ground.sentinels.slice(0, 2);
  await Promise.all(gone.map((sentinel) => sentinel.kill()));
  const at = now();
  await master.kill();
  await sleep(AWAY_MS);
  await Promise.all(gone.map((sentinel) => sentinel.start()));
  const backAt = now();
  return { at, backAt, ...(await promoted(scene, replicas)), affected };
};

/** The master confirms, or does not, while nothing of it reaches a replica; then it dies. */
export const cutAndKillMaster: Fault = async (scene) => {
  const { master, replicas, affected } = await victim(scene);
  scene.ground.replication.cutReplication();
  await sleep(AWAY_MS);
  const backAt = now();
  await master.kill();
  const news = await promoted(scene, replicas, () => scene.ground.replication.healReplication());
  return { at: backAt, backAt, ...news, affected };
};

/** Two of three masters are gone, and with them the majority; the third one stops to serve as well. */
export const loseMajority: Fault = async ({ ground }) => {
  const isOk = async (node: RedisNode): Promise<boolean> => {
    const info = await node.probe('CLUSTER', 'INFO').catch(() => '');
    return String(info).includes('cluster_state:ok');
  };
  const gone = (await ground.masters()).slice(0, 2);
  const at = now();
  await Promise.all(gone.map((master) => master.kill()));
  await sleep(AWAY_MS);
  await Promise.all(gone.map((master) => master.start()));
  const backAt = now();
  const upAt = await polled('all nodes serve again', async () =>
    (await Promise.all(ground.nodes.map(isOk))).every(Boolean) ? now() : undefined,
  );
  return { at, backAt, upAt, affected: ALL };
};
