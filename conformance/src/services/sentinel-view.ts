import type { RedisNode } from './redis-node.ts';
import { replicationComplaint, replicationRole } from './replication-role.ts';
import { MASTER_NAME } from './sentinel-config.ts';

type Fields = Readonly<Record<string, string>>;

/** What one sentinel knows. */
interface SentinelView {
  readonly port: number;
  readonly master: Fields;
  readonly replicas: readonly Fields[];
  readonly sentinels: readonly Fields[];
}

const fieldsOf = (reply: unknown): Fields => {
  const words = reply as readonly string[];
  return Object.fromEntries(words.flatMap((word, index) => (index % 2 === 0 ? [[word, words[index + 1] ?? '']] : [])));
};

const viewOf = async (sentinel: RedisNode): Promise<SentinelView> => {
  const [master, replicas, sentinels] = await Promise.all([
    sentinel.probe('SENTINEL', 'MASTER', MASTER_NAME),
    sentinel.probe('SENTINEL', 'REPLICAS', MASTER_NAME),
    sentinel.probe('SENTINEL', 'SENTINELS', MASTER_NAME),
    sentinel.probe('SENTINEL', 'CKQUORUM', MASTER_NAME),
  ]);
  return {
    port: sentinel.port,
    master: fieldsOf(master),
    replicas: (replicas as unknown[]).map(fieldsOf),
    sentinels: (sentinels as unknown[]).map(fieldsOf),
  };
};

const sameNumbers = (some: readonly number[], others: readonly number[]): boolean =>
  some.length === others.length && some.every((each) => others.includes(each));

const viewComplaint = (
  view: SentinelView,
  masterPort: number,
  nodes: readonly RedisNode[],
  sentinels: readonly RedisNode[],
): string | undefined => {
  const { master, replicas } = view;
  const who = `sentinel ${view.port}`;
  const portsOf = (fields: readonly Fields[]): number[] => fields.map(({ port }) => Number(port));
  if (Number(master.port) !== masterPort) return `${who} takes ${master.port} for the master`;
  if (master.flags !== 'master') return `${who} says of the master: ${master.flags}`;
  const followers = nodes.map(({ port }) => port).filter((port) => port !== masterPort);
  if (!sameNumbers(portsOf(replicas), followers)) return `${who} knows the replicas ${portsOf(replicas)}`;
  const others = sentinels.map(({ port }) => port).filter((port) => port !== view.port);
  if (!sameNumbers(portsOf(view.sentinels), others)) return `${who} knows the sentinels ${portsOf(view.sentinels)}`;
  const away = [...replicas, ...view.sentinels].find(({ flags }) => flags !== 'slave' && flags !== 'sentinel');
  if (away) return `${who} says of ${away.port}: ${away.flags}`;
  const lone = replicas.find((replica) => replica['master-link-status'] !== 'ok');
  return lone && `${who} says of ${lone.port}: no link to its master`;
};

/** Why the set-up is not in full health; undefined when it is. */
export const sentinelComplaint = async (
  nodes: readonly RedisNode[],
  sentinels: readonly RedisNode[],
): Promise<string | undefined> => {
  const roles = await Promise.all(nodes.map(replicationRole));
  const masters = nodes.filter((_, index) => roles[index]?.master);
  const [master] = masters;
  if (master === undefined || masters.length > 1) return `the masters are [${masters.map(({ port }) => port)}]`;
  const complaint = await replicationComplaint(
    master,
    nodes.filter((node) => node !== master),
  );
  if (complaint !== undefined) return complaint;
  for (const sentinel of sentinels) {
    try {
      const wrong = viewComplaint(await viewOf(sentinel), master.port, nodes, sentinels);
      if (wrong !== undefined) return wrong;
    } catch (error) {
      return error instanceof Error ? error.message.replace(/\.$/, '') : String(error);
    }
  }
  return undefined;
};

/** The ports that the sentinels which answer name as the master's. */
const namedPorts = async (sentinels: readonly RedisNode[]): Promise<number[]> => {
  const replies = await Promise.all(
    sentinels.map((sentinel) => sentinel.probe('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', MASTER_NAME).catch(() => null)),
  );
  return replies.filter((reply) => reply !== null).map((reply) => Number((reply as string[])[1]));
};

/** Why the sentinels are not of one mind; undefined when all of them name the same master, whether it runs or not. */
export const disagreement = async (sentinels: readonly RedisNode[]): Promise<string | undefined> => {
  const named = await namedPorts(sentinels);
  const isAgreed = named.length === sentinels.length && new Set(named).size === 1;
  return isAgreed ? undefined : `${named.length} of ${sentinels.length} sentinels answer, and name [${named}]`;
};

/** The node that most of the answering sentinels call the master and that says so itself; undefined where there is none. */
export const agreedMaster = async (
  nodes: readonly RedisNode[],
  sentinels: readonly RedisNode[],
): Promise<RedisNode | undefined> => {
  const named = await namedPorts(sentinels);
  const master = nodes.find(({ port }) => named.filter((each) => each === port).length > named.length / 2);
  return master && (await replicationRole(master))?.master ? master : undefined;
};
