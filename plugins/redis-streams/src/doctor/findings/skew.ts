import type { Facts, StreamFacts } from '../facts.ts';
import type { Finding } from '../finding.ts';
import { mebibytes } from './setting.ts';

/** Below this there is nothing to spread, bytes. */
const SMALL = 16 * 1_048_576;

const sums = (streams: readonly StreamFacts[], by: (stream: StreamFacts) => string): [string, number][] => {
  const sum = new Map<string, number>();
  for (const stream of streams) sum.set(by(stream), (sum.get(by(stream)) ?? 0) + stream.bytes);
  return [...sum].sort(([, one], [, other]) => other - one);
};

/** Hash tags that put most of the load on one node of a cluster. */
export const skewFindings = ({ topology, nodes, workload: { streams } }: Facts): Finding[] => {
  const masters = nodes.filter(({ role }) => role === 'master');
  const total = streams.reduce((sum, { bytes }) => sum + bytes, 0);
  if (topology !== 'cluster' || masters.length < 2 || total < SMALL) return [];
  const findings: Finding[] = [];
  const tagOf = ({ key }: StreamFacts): string => /\{[^}]*\}/.exec(key)?.[0] ?? key;
  const [largest] = sums(streams, tagOf);
  const share = (bytes: number): number => Math.round((bytes / total) * 100);
  if (largest && largest[1] > total / 2) {
    const [tag, bytes] = largest;
    const first = streams.find((stream) => tagOf(stream) === tag);
    return [
      {
        level: 'warning',
        code: 'slot-skew',
        where: first?.where ?? tag,
        what: `The hash tag ${tag} has ${share(bytes)} % of what all streams hold (${mebibytes(total)}), all in slot ${first?.slot}: no reshard spreads that.`,
        fix: `Raise \`partitions\` in all services, or divide the topic ${first?.topic} by topic mapping`,
      },
    ];
  }
  const [heaviest] = sums(streams, ({ where }) => where);
  if (heaviest && heaviest[1] > (2 * total) / masters.length)
    findings.push({
      level: 'warning',
      code: 'master-skew',
      where: heaviest[0],
      what: `This master has ${share(heaviest[1])} % of what all streams hold (${mebibytes(total)}); one of ${masters.length} would have ${Math.round(100 / masters.length)} %.`,
      fix: `redis-cli --cluster reshard ${heaviest[0]}, slots with large streams first; or raise \`partitions\` in all services`,
    });
  return findings;
};
