import { EventsError } from '@logistically/events-kernel';
import type { SentinelFacts } from './facts.ts';
import { fieldsOf, isOpenTo, pairsOf } from './node-probe.ts';
import type { Session, SessionOptions } from './session.ts';
import { type Address, formatAddress, isLoopback } from './target.ts';

export const addressIn = ({ ip = '', port = '' }: Readonly<Record<string, string>>): Address => ({
  host: ip,
  port: Number(port),
});

const listOf = (reply: unknown): readonly Readonly<Record<string, string>>[] =>
  Array.isArray(reply) ? reply.map(pairsOf) : [];

/** The name of the one master that a sentinel watches. Throws `EVENTS_CONFIG` where it watches several, or none. */
export const masterNameOf = async (session: Session): Promise<string> => {
  const names = listOf(await session.ask('sentinel', 'masters')).map(({ name = '' }) => name);
  const [name] = names;
  if (name !== undefined && names.length === 1) return name;
  const known = names.length === 0 ? 'it watches none' : `it watches ${names.join(', ')}`;
  throw new EventsError(
    'EVENTS_CONFIG',
    `${session.where} is a sentinel and ${known}: name the master, as in redis+sentinel://${session.where}/mymaster.`,
  );
};

/** The other sentinels that a sentinel knows. */
export const othersOf = async (session: Session, master: string): Promise<readonly Address[]> =>
  listOf(await session.ask('sentinel', 'sentinels', master)).map(addressIn);

export const replicasOf = async (session: Session, master: string): Promise<readonly Address[]> =>
  listOf(await session.ask('sentinel', 'replicas', master)).map(addressIn);

export const probeSentinel = async (
  session: Session,
  master: string,
  options: SessionOptions,
): Promise<SentinelFacts> => {
  const { reply, error } = await session.attempt('sentinel', 'master', master);
  if (error !== undefined && /No such master/i.test(error))
    throw new EventsError('EVENTS_CONFIG', `The sentinel ${session.where} watches no master of this name.`);
  const fields = pairsOf(reply);
  const { error: refusal } = await session.attempt('sentinel', 'ckquorum', master);
  return {
    where: session.where,
    runId: fieldsOf(await session.ask('info', 'server')).run_id,
    master: fields.ip === undefined ? '' : formatAddress(addressIn(fields)),
    fields,
    noQuorum: refusal !== undefined && /^NOQUORUM/.test(refusal) ? refusal.replace(/^NOQUORUM\s*/, '') : undefined,
    isLoopback: isLoopback(options.address),
    isOpen: await isOpenTo(options),
  };
};
