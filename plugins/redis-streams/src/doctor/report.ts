import type { Facts } from './facts.ts';
import type { Finding, Level } from './finding.ts';
import { printable } from './secret.ts';

/** The most findings of one code that are told one by one. */
const SHOWN = 5;
const REWRITE =
  'What CONFIG SET has changed is gone with the next restart: CONFIG REWRITE, or write it into redis.conf.';
const LEVELS: readonly Level[] = ['error', 'warning', 'info'];

/** A finding, or how many more there are of its code. */
const lines = (findings: readonly Finding[]): string[] => {
  const counts = new Map<string, number>();
  for (const { code } of findings) counts.set(code, (counts.get(code) ?? 0) + 1);
  const told = new Map<string, number>();
  return findings.flatMap(({ level, code, where, what, fix }) => {
    const nth = (told.get(code) ?? 0) + 1;
    told.set(code, nth);
    if (nth > SHOWN) return [];
    const more = nth === SHOWN ? (counts.get(code) ?? 0) - SHOWN : 0;
    const text = [`${level.padEnd(7)}  ${code}  ${where}`, `         ${what}`, `         fix: ${fix}`];
    return [...text.map(printable), ...(more > 0 ? [`         … and ${more} more of ${code}`] : []), ''];
  });
};

const count = (number: number, word: string): string => `${number} ${word}${number === 1 ? '' : 's'}`;

/** What was looked at. */
const headOf = ({ topology, nodes, sentinels, workload, prefix }: Facts): string =>
  [
    topology,
    count(nodes.filter(({ role }) => role === 'master').length, 'master'),
    count(nodes.filter(({ role }) => role === 'replica').length, 'replica'),
    ...(topology === 'sentinel' ? [count(sentinels.length, 'sentinel')] : []),
    `${workload.isCut ? 'at least ' : ''}${count(workload.topics, 'topic')} under ${prefix}`,
  ].join(', ');

export const textReport = (facts: Facts, findings: readonly Finding[], lossBound: string): string => {
  const counts = LEVELS.map((level) => `${findings.filter((finding) => finding.level === level).length} ${level}`);
  return [
    printable(headOf(facts)),
    '',
    ...lines(findings),
    findings.length === 0 ? 'Nothing to say.' : counts.join(', '),
    ...(findings.some(({ fix }) => fix.includes('CONFIG SET')) ? [REWRITE] : []),
    '',
    `What can be lost: ${printable(lossBound)}`,
  ].join('\n');
};

/** One line. */
export const jsonReport = (
  { topology, nodes, sentinels, workload }: Facts,
  findings: readonly Finding[],
  lossBound: string,
): string => {
  const { topics } = workload;
  const roles = nodes.map(({ where, role, info }) => ({ where, role, version: info.redis_version }));
  const seen = { topology, nodes: roles, sentinels: sentinels.map(({ where }) => where), topics };
  return printable(JSON.stringify({ ...seen, findings, lossBound }));
};
