import type { Fields, NodeFacts } from './facts.ts';
import { Session, type SessionOptions } from './session.ts';
import { isLoopback } from './target.ts';

const PARAMETERS = [
  ...['appendonly', 'appendfsync', 'save', 'stop-writes-on-bgsave-error', 'no-appendfsync-on-rewrite'],
  ...['maxmemory', 'maxmemory-policy', 'maxclients', 'timeout', 'client-output-buffer-limit', 'proto-max-bulk-len'],
  ...['min-replicas-to-write', 'min-replicas-max-lag', 'cluster-require-full-coverage', 'cluster-node-timeout'],
  ...['replica-priority', 'cluster-replica-no-failover'],
];

/** What INFO and the like reply: a field a line. */
export const fieldsOf = (text: unknown): Fields => {
  const fields: Record<string, string> = {};
  for (const line of String(text ?? '').split(/\r?\n/)) {
    const colon = line.indexOf(':');
    if (colon > 0 && !line.startsWith('#')) fields[line.slice(0, colon)] = line.slice(colon + 1);
  }
  return fields;
};

/** Names and values in one list. */
export const pairsOf = (flat: unknown): Fields => {
  const list = Array.isArray(flat) ? flat : [];
  const fields: Record<string, string> = {};
  for (let i = 0; i + 1 < list.length; i += 2) fields[String(list[i])] = String(list[i + 1]);
  return fields;
};

const configOf = async (session: Session): Promise<Fields> => {
  const { reply, error } = await session.attempt('config', 'get', ...PARAMETERS);
  if (error === undefined) return pairsOf(reply);
  if (!/number of arguments|syntax/i.test(error)) return {};
  // Before 7.0 it takes one.
  const replies = await Promise.all(PARAMETERS.map((parameter) => session.ask('config', 'get', parameter)));
  return Object.assign({}, ...replies.map(pairsOf));
};

/** Whether the server takes commands from somebody who gives no password. */
export const isOpenTo = async (options: SessionOptions): Promise<boolean> => {
  const stranger = new Session({ ...options, credentials: {}, database: 0, refused: new Set() });
  try {
    await stranger.open();
    const { error } = await stranger.attempt('info', 'server');
    return error === undefined;
  } catch {
    return false;
  } finally {
    stranger.close();
  }
};

/** What the server says it is; where it does not tell, what others say. */
const roleOf = async (session: Session, info: Fields, told: NodeFacts['role']): Promise<NodeFacts['role']> => {
  const own = info.role ?? [await session.ask('role')].flat()[0];
  if (own === undefined) return told;
  return own === 'slave' ? 'replica' : 'master';
};

export const probeNode = async (
  session: Session,
  options: SessionOptions,
  told: NodeFacts['role'],
): Promise<NodeFacts> => {
  const info = fieldsOf(await session.ask('info'));
  return {
    where: session.where,
    role: await roleOf(session, info, told),
    info,
    config: await configOf(session),
    isLoopback: isLoopback(options.address),
    isTls: options.tls !== undefined,
    isOpen: await isOpenTo(options),
  };
};
