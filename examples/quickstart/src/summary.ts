import type { Envelope, Health, Stats, StopReport } from '@logistically/events-kernel';
import type { Analytics } from './analytics.ts';
import type { Billing } from './billing.ts';
import type { Tally } from './tally.ts';

export interface Findings {
  readonly transport: string;
  readonly billing: Billing;
  readonly analytics: Analytics;
  readonly tally: Tally;
  /** Patterns by group. */
  readonly patterns: ReadonlyMap<string, readonly string[]>;
  readonly health: Health;
  readonly stats: Stats;
  readonly report: StopReport;
}

const BAR = 24;

const euros = (cents: number): string => (cents / 100).toFixed(2).padStart(9);
const sum = (values: Iterable<number>): number => [...values].reduce((total, value) => total + value, 0);
const dayName = (day: string): string =>
  new Date(day).toLocaleDateString('en-GB', { weekday: 'short', day: '2-digit', month: 'short', timeZone: 'UTC' });

const sums = (pairs: Iterable<readonly [string, number]>): Map<string, number> => {
  const totals = new Map<string, number>();
  for (const [name, amount] of pairs) totals.set(name, (totals.get(name) ?? 0) + amount);
  return totals;
};

const orderLine = ({ orders }: Analytics): string => {
  const count = (type: string): number => [...orders.values()].filter((types) => types.has(type)).length;
  const [delivered, cancelled] = [count('order.delivered'), count('order.cancelled')];
  return `${orders.size} orders: ${delivered} delivered, ${cancelled} cancelled, ${orders.size - delivered - cancelled} on their way`;
};

const revenueLines = ({ takings }: Analytics, { refunds }: Billing): string[] => {
  const revenue = sums([...takings.values()].map(({ day, amount }) => [day, amount]));
  const best = Math.max(...revenue.values());
  const days = [...revenue].toSorted(([a], [b]) => (a < b ? -1 : 1));
  return [
    ...days.map(([day, cents]) => {
      const bar = '█'.repeat(Math.max(0, Math.round((cents / best) * BAR)));
      return `  ${dayName(day)} ${euros(cents)}  ${bar}`.trimEnd();
    }),
    `  total       ${euros(sum(revenue.values()))}  after refunds of ${euros(sum(refunds.values())).trim()}`,
  ];
};

const productLines = ({ baskets }: Analytics): string[] => {
  const pieces = sums([...baskets.values()].flat().map(({ product, quantity }) => [product, quantity]));
  const top = [...pieces].toSorted(([a, x], [b, y]) => y - x || (a < b ? -1 : 1)).slice(0, 5);
  return top.map(([product, count], index) => `  ${index + 1}. ${product.padEnd(20)} ${String(count).padStart(3)} ×`);
};

const groupLines = ({ tally, patterns }: Findings): string[] =>
  [...patterns].toSorted().map(([group, taken]) => {
    const { done, failures } = tally.group(group);
    const retries = failures.length === 1 ? '1 retry' : `${failures.length} retries`;
    return `  ${group.padEnd(10)} ${String(done.size).padStart(4)} events, ${retries.padEnd(9)}  ${taken.toSorted().join('  ')}`;
  });

const reasonOf = (reason: unknown): string => (reason instanceof Error ? reason.message : String(reason));

/** The order of the first event that failed, with what it led to under what caused it. */
const storyLines = ({ tally, analytics: { stories } }: Findings): string[] => {
  const failures = [...tally.groups.values()].flatMap((group) => group.failures);
  const unlucky = failures[0]?.id ?? '';
  const [correlationId, story] = [...stories].find(([, events]) => events.has(unlucky)) ?? [];
  if (!story) return [];
  const time = ({ body }: Envelope): string => (body as { at: string }).at;
  const events = [...story.values()].toSorted((a, b) => (time(a) < time(b) ? -1 : 1));
  const below = (text: string): string => `                      ${text}`;
  const lines = (event: Envelope): string[] => {
    const { id, type } = event.header;
    const failed = failures.filter((failure) => failure.id === id);
    const effects = events.filter(({ header }) => header.causationId === id);
    return [
      `  ${time(event).slice(0, 16).replace('T', ' ')}  ${type}`,
      ...failed.map(({ attempt, reason }) => below(`attempt ${attempt} failed: ${reasonOf(reason)}`)),
      ...effects.map(({ header }) => below(`attempt ${failed.length + 1} led to ${header.type}`)),
    ];
  };
  return [
    '',
    `One order from end to end (correlation id ${correlationId})`,
    ...events.filter(({ header }) => header.causationId === undefined).flatMap(lines),
  ];
};

const healthLine = ({ health, stats, report }: Findings): string => {
  const state = health.healthy ? 'Healthy' : `Unhealthy: ${health.problems.map(({ problem }) => problem).join('; ')}`;
  const left = report.unsettled + report.unpublished;
  return `${state}: ${stats.published} events published, ${stats.publishFailed} refused, ${left} left behind.`;
};

/** What happened, for a person to read. */
export const summary = (findings: Findings): string =>
  [
    `A week in a small shop, over ${findings.transport}`,
    orderLine(findings.analytics),
    '',
    'Revenue by day, in euros',
    ...revenueLines(findings.analytics, findings.billing),
    '',
    'What people bought most',
    ...productLines(findings.analytics),
    '',
    'Who handled what',
    ...groupLines(findings),
    ...storyLines(findings),
    '',
    `${findings.billing.invoices.size} invoices over ${euros(sum(findings.billing.invoices.values())).trim()} issued.`,
    healthLine(findings),
  ].join('\n');
