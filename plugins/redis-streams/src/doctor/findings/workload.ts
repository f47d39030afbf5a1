import { createKeys } from '../../keys.ts';
import type { Facts, GroupFacts, StreamFacts } from '../facts.ts';
import type { Finding } from '../finding.ts';
import { argument } from './argument.ts';

const seconds = (ms: number): string => (ms < 1000 ? `${ms} ms` : `${Math.round(ms / 1000)} s`);

/** Before 7.2 a consumer that waits for entries grows as old as one that is gone, as long as there are none. */
const tellsWaiting = ({ nodes }: Facts, where: string): boolean => {
  const [major = 0, minor = 0] = (nodes.find((node) => node.where === where)?.info.redis_version ?? '')
    .split('.')
    .map(Number);
  return major > 7 || (major === 7 && minor >= 2);
};

const groupFindings = (stream: StreamFacts, group: GroupFacts, facts: Facts): Finding[] => {
  const { key, topic, partition } = stream;
  const { idleMs, prefix } = facts;
  const { name, pending, lag = 0, consumers, stuck, isStuckCut, overdue } = group;
  const where = `${topic}/${partition} ${name}`;
  const retries = createKeys(prefix).retries(topic, partition, name);
  const isAlive = consumers.some((consumer) => consumer.idleMs < idleMs);
  const waits = lag + stuck + overdue > 0;
  if (!isAlive && (waits || consumers.length === 0 || tellsWaiting(facts, stream.where)))
    return [
      {
        level: waits ? 'error' : 'info',
        code: 'group-abandoned',
        where,
        what: `${consumers.length === 0 ? 'There is no consumer' : `Nobody has consumed for ${seconds(idleMs)} or longer`}; ${lag} events are not delivered, ${pending} not settled. Retention keeps everything from its position on.`,
        fix: `Start its service; or, if it is not wanted any more: XGROUP DESTROY ${argument(key)} ${argument(name)}; DEL ${argument(retries)}`,
      },
    ];
  if (!isAlive) return [];
  const findings: Finding[] = [];
  if (stuck > 0)
    findings.push({
      level: 'error',
      code: 'entries-stuck',
      where,
      what: `${stuck}${isStuckCut ? ' or more' : ''} deliveries have shown no sign of life for ${seconds(idleMs)}, and the living consumers do not take them over.`,
      fix: `See who has them: XPENDING ${argument(key)} ${argument(name)} IDLE ${idleMs} - + 10. The others have no free slots (raise concurrency), or a longer lease than --idle-ms`,
    });
  if (overdue > 0)
    findings.push({
      level: 'error',
      code: 'retries-overdue',
      where,
      what: `${overdue} attempts are due for ${seconds(idleMs)} or longer: the consumers have no free slots.`,
      fix: `Add consumers or raise concurrency; see ZRANGE ${argument(retries)} 0 9 WITHSCORES`,
    });
  const away = consumers.filter((consumer) => consumer.idleMs >= idleMs && consumer.pending === 0);
  if (away.length > 0)
    findings.push({
      level: 'info',
      code: 'consumers-abandoned',
      where,
      what: `${away.length} consumers have had nothing for ${seconds(idleMs)} or longer and have nothing pending; the first is ${away[0]?.name}. Those that are gone are swept out by themselves.`,
      fix: `Nothing; or XGROUP DELCONSUMER ${argument(key)} ${argument(name)} ${argument(away[0]?.name ?? '')}`,
    });
  return findings;
};

/** What does not move. */
export const workloadFindings = (facts: Facts): Finding[] => {
  const { workload, prefix, idleMs } = facts;
  const { streams, gone, foreign, topics, isCut, unseen } = workload;
  const keys = createKeys(prefix);
  const findings: Finding[] = foreign.map(({ key, where, type, wanted }) => ({
    level: 'error',
    code: 'foreign-key',
    where,
    what: `The key ${key} is a ${type} where a ${wanted} belongs: somebody else uses this prefix.`,
    fix: `Use another \`prefix\`, or RENAME ${argument(key)} to what it should be called`,
  }));
  for (const stream of streams) {
    const { topic, partition, groups, overdue } = stream;
    if (overdue > 0)
      findings.push({
        level: 'error',
        code: 'delayed-overdue',
        where: `${topic}/${partition}`,
        what: `${overdue} events that were published with a delay are due for ${seconds(idleMs)} or longer. Any consumer of the topic delivers them: there is none, or the server takes no events (maxmemory).`,
        fix: `Start a consumer; see ZRANGE ${argument(keys.delayed(topic, partition))} 0 9 WITHSCORES`,
      });
    for (const group of groups) findings.push(...groupFindings(stream, group, facts));
  }
  for (const topic of gone)
    findings.push({
      level: 'info',
      code: 'topic-gone',
      where: topic,
      what: 'This topic is known and has no stream: it was removed, or lost.',
      fix: `If it is not wanted any more: SREM ${argument(keys.topics)} ${argument(topic)}`,
    });
  if (unseen > 0)
    findings.push({
      level: 'info',
      code: 'topics-unseen',
      where: keys.topics,
      what: `There are ${isCut ? 'at least ' : ''}${topics} topics; ${isCut ? 'at least ' : ''}${unseen} of them were not looked at.`,
      fix: 'Nothing; the doctor does not load a server with more',
    });
  return findings;
};
