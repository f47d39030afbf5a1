import type { Redis } from 'ioredis';
import { Connection, type ConnectionOptions, type ConnectionPurpose } from './connection.ts';
import { checkReplicas } from './durability.ts';
import { serverProblem } from './health.ts';
import type { Settings } from './options.ts';
import type { ConnectionListener, Topology, TopologyListener } from './topology.ts';
import { versionOf } from './version.ts';

/** How the connections to the one server differ from plain ones. */
type Way = Pick<ConnectionOptions, 'dial' | 'verify' | 'passing' | 'onRefused'>;

interface SingleOptions {
  readonly settings: Settings;
  readonly listener: TopologyListener;
  readonly makeClient: (purpose: ConnectionPurpose) => Redis;
  /** A client of the user's, for commands. */
  readonly client?: Redis | undefined;
  readonly way?: Way;
  /** Hears of every connection that is made. */
  readonly onConnection?: (connection: Connection) => void;
  /** Why there is no connection, where somebody else knows more. */
  readonly explain?: () => Promise<string | undefined>;
}

/** One server that keeps everything: by itself, or whichever is the master at the time. */
export const createSingle = ({
  settings,
  listener,
  makeClient,
  client,
  way,
  onConnection = () => {},
  explain = async () => undefined,
}: SingleOptions): Topology => {
  const { timeoutMs, durability } = settings;
  const connect = (purpose: ConnectionPurpose, hears: ConnectionListener): Connection => {
    const given = purpose === 'commands' ? client : undefined;
    const connection = new Connection({
      client: given ?? makeClient(purpose),
      owned: !given,
      timeoutMs,
      ...hears,
      ...way,
      ...(purpose === 'publisher' && durability && { durability }),
    });
    onConnection(connection);
    return connection;
  };
  const commands = connect('commands', listener);
  const publisher = durability ? connect('publisher', { onUp: listener.onWay, onDown() {} }) : commands;
  const info = (section: string): Promise<string> => commands.run((redis) => redis.info(section));

  return {
    async open(deadline) {
      await Promise.all([commands.open(deadline), publisher.open(deadline)]);
      if (durability) await checkReplicas([commands], durability, deadline);
    },
    placeOf: () => '',
    at: () => commands,
    publisher: () => publisher,
    reader: (_, hears) => connect('reader', hears),
    async problems() {
      const problem = await serverProblem(commands);
      if (!problem) return [];
      if (commands.up) return [problem];
      return [(await explain()) ?? `${problem}: ${commands.problem.message}`];
    },
    versions: async () => ({ redis: versionOf(await info('server')) }),
    close() {
      publisher.close();
      commands.close();
    },
  };
};
