import type { ClusterNode, RedisClusterService } from '@logistically/events-conformance/services';
import { slotOf } from '@logistically/events-redis-streams/engine';
import { until } from './until.ts';

/** A connection of the transports under test, as a server sees it. */
interface Connection {
  readonly id: string;
  readonly name: string;
  /** The last command on it. */
  readonly command: string;
}

/** What a test asks the cluster itself, past the client under test. */
export class State {
  readonly #cluster: RedisClusterService;
  readonly #prefix: string;

  constructor(cluster: RedisClusterService, prefix = 'events') {
    this.#cluster = cluster;
    this.#prefix = prefix;
  }

  stream(topic: string, partition = 0): string {
    return `${this.#prefix}:{${topic}:${partition}}:${topic}`;
  }

  slot(topic: string, partition = 0): number {
    return slotOf(this.stream(topic, partition));
  }

  owner(topic: string, partition = 0): Promise<ClusterNode> {
    return this.#cluster.slotOwner(this.slot(topic, partition));
  }

  /** Which of the partitions a node has. */
  async partitionsOn(node: ClusterNode, topic: string, count: number): Promise<number[]> {
    const owners = await Promise.all(Array.from({ length: count }, (_, partition) => this.owner(topic, partition)));
    return owners.flatMap(({ id }, partition) => (id === node.id ? [partition] : []));
  }

  /** Deliveries that are pending in a group; those that wait for their next attempt included. */
  async pending(topic: string, partition = 0, group = 'shop'): Promise<number> {
    const node = await this.owner(topic, partition);
    const [count] = (await node.cli('XPENDING', this.stream(topic, partition), group)) as [number];
    return count;
  }

  /** Waits until nothing is, in all partitions. */
  async whenSettled(topic: string, partitions = 1, group?: string): Promise<void> {
    for (let partition = 0; partition < partitions; partition++)
      await until(
        async () => (await this.pending(topic, partition, group)) === 0,
        `nothing is pending in ${topic}:${partition}`,
      );
  }

  /** Waits until the nodes tell clients of their replicas: not before those have got something, and the others have heard of it. */
  async whenReplicasAreNamed(perMaster: number): Promise<void> {
    for (let n = 0; n < 20; n++) await (await this.#cluster.slotOwner(slotOf(`warm-${n}`))).cli('SET', `warm-${n}`, '');
    await until(async () => {
      const told = await Promise.all(this.#cluster.nodes.map((node) => node.cli('CLUSTER', 'SLOTS')));
      return (told as unknown[][][]).flat().every((range) => range.length === 3 + perMaster);
    }, 'the nodes name all replicas');
  }

  async connections(node: ClusterNode): Promise<Connection[]> {
    const list = String(await node.cli('CLIENT', 'LIST', 'TYPE', 'normal'));
    return list
      .trim()
      .split('\n')
      .map(
        (line) => Object.fromEntries(line.split(' ').map((pair) => pair.split(/=(.*)/s, 2))) as Record<string, string>,
      )
      .map(({ id = '', name = '', cmd = '' }) => ({ id, name, command: cmd }))
      .filter(({ name }) => name.startsWith('events-'));
  }

  async readers(node: ClusterNode): Promise<Connection[]> {
    return (await this.connections(node)).filter(({ name }) => name === 'events-reader');
  }
}
