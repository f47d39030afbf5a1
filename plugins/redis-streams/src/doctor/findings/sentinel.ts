import type { Facts, SentinelFacts } from '../facts.ts';
import type { Finding } from '../finding.ts';

const LONG_MS = 30_000;
const SHORT_MS = 1000;

const fieldOf = ({ fields }: SentinelFacts, name: string): number => Number(fields[name]);

/** Whether a master that dies is replaced, and how soon. */
export const sentinelFindings = ({ topology, sentinels }: Facts): Finding[] => {
  if (topology !== 'sentinel' || sentinels.length === 0) return [];
  const findings: Finding[] = [];
  const add = (level: Finding['level'], code: string, where: string, what: string, fix: string): void => {
    findings.push({ level, code, where, what, fix });
  };
  const name = sentinels.find(({ fields }) => fields.name)?.fields.name ?? 'mymaster';
  // One that is silent votes where another knows it: it may be one of those, by another address.
  const known = Math.max(sentinels.length, ...sentinels.map((each) => fieldOf(each, 'num-other-sentinels') + 1 || 0));
  const majority = Math.floor(known / 2) + 1;
  const here = sentinels.map(({ where }) => where).join(', ');
  if (known < 3)
    add(
      'error',
      'few-sentinels',
      here,
      `There are ${known} sentinels: when one of them is away nobody may replace the master.`,
      `Run three, on machines of their own, each with: sentinel monitor ${name} <master host> <port> 2`,
    );
  const telling = sentinels.filter(({ master }) => master !== '');
  if (new Set(telling.map(({ master }) => master)).size > 1)
    add(
      'error',
      'sentinels-disagree',
      telling.map(({ where, master }) => `${where} says ${master}`).join('; '),
      'The sentinels do not agree on who the master is.',
      `A failover may be under way: look again in a minute. If it stays: SENTINEL RESET ${name} on those that are wrong, one after the other`,
    );
  for (const sentinel of sentinels) {
    const { where, noQuorum, fields } = sentinel;
    const quorum = fieldOf(sentinel, 'quorum');
    if (noQuorum !== undefined)
      add(
        'error',
        'no-quorum',
        where,
        `CKQUORUM fails: ${noQuorum}`,
        `Start the sentinels that are away; then SENTINEL CKQUORUM ${name}`,
      );
    else if (quorum > known || quorum < majority)
      add(
        quorum > known ? 'error' : 'warning',
        'quorum',
        where,
        quorum > known
          ? `The quorum is ${quorum} of ${known} sentinels: the master is never replaced.`
          : `The quorum is ${quorum} of ${known} sentinels: fewer than a majority begin a failover.`,
        `SENTINEL SET ${name} quorum ${majority}`,
      );
    const patience = fieldOf(sentinel, 'down-after-milliseconds');
    if (patience > LONG_MS || patience < SHORT_MS)
      add(
        'warning',
        'down-after',
        where,
        patience > LONG_MS
          ? `A master that is dead is replaced after ${patience} ms at the earliest: until then nothing is published.`
          : `A master that is silent for ${patience} ms is replaced: a slow command or a pause of its machine is enough.`,
        `SENTINEL SET ${name} down-after-milliseconds 5000`,
      );
    if (/\b[so]_down\b/.test(fields.flags ?? ''))
      add(
        'error',
        'master-down',
        fields.ip ? `${fields.ip}:${fields.port}` : where,
        `${where} sees the master as down (${fields.flags}).`,
        'Start it, or wait for the failover',
      );
  }
  return findings;
};
