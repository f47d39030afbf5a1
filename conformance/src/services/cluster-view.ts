import type { RedisNode } from './redis-node.ts';

/** A node as another one, or itself, sees it. */
export interface ClusterMember {
  readonly id: string;
  readonly port: number;
  readonly flags: readonly string[];
  /** Of a replica: its master's id. */
  readonly masterId: string | undefined;
  readonly epoch: number;
  readonly linked: boolean;
  /** First and last slot of each range. */
  readonly slots: readonly (readonly [number, number])[];
}

/** The nodes as one of them sees them. */
export type ClusterView = readonly ClusterMember[];

const memberOf = (line: string): ClusterMember => {
  const [id = '', address = '', flags = '', masterId = '-', , , epoch = '0', link = '', ...slots] = line.split(' ');
  return {
    id,
    port: Number(/:(\d+)@/.exec(address)?.[1]),
    flags: flags.split(',').filter((flag) => flag !== 'myself'),
    masterId: masterId === '-' ? undefined : masterId,
    epoch: Number(epoch),
    linked: link === 'connected',
    // In brackets stand the slots that are on the move.
    slots: slots
      .filter((range) => !range.startsWith('['))
      .map((range) => {
        const [first, last = first] = range.split('-').map(Number);
        return [first ?? 0, last ?? 0];
      }),
  };
};

/** Reads what CLUSTER NODES tells. */
const parseClusterView = (text: string): ClusterView => text.trim().split('\n').map(memberOf);

/** Undefined where the node does not answer. */
export const clusterView = async (node: RedisNode): Promise<ClusterView | undefined> => {
  const reply = await node.probe('CLUSTER', 'NODES').catch(() => undefined);
  return typeof reply === 'string' ? parseClusterView(reply) : undefined;
};

const newestEpoch = (view: ClusterView): number => Math.max(...view.map(({ epoch }) => epoch));

/** The view of who has heard of the latest change; undefined when nobody answers. */
export const newestView = async (nodes: readonly RedisNode[]): Promise<ClusterView | undefined> => {
  const views = (await Promise.all(nodes.map(clusterView))).filter((view) => view !== undefined);
  return views.sort((a, b) => newestEpoch(b) - newestEpoch(a))[0];
};

export const isMaster = ({ flags }: ClusterMember): boolean => flags.includes('master') && !flags.includes('fail');

export const owns = ({ slots }: ClusterMember, slot: number): boolean =>
  slots.some(([first, last]) => first <= slot && slot <= last);

/** Who owns what and who follows whom, as one text that equals that of every other node that sees the same. */
export const shapeOf = (view: ClusterView): string =>
  view
    .map(({ id, flags, masterId, slots }) => [id, flags.join(), masterId ?? '-', ...slots.map(String)].join(' '))
    .sort()
    .join('\n');
