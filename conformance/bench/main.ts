import { writeFileSync } from 'node:fs';
import { type BenchServer, BenchServers } from './bench-server.ts';
import type { BenchCase } from './case.ts';
import { cases } from './cases/index.ts';
import { describeMachine, machineLine } from './machine.ts';
import { type BenchOptions, parseOptions, USAGE } from './options.ts';
import { type CaseResult, isBelowFloor, summarize } from './result.ts';
import { runRounds } from './rounds.ts';
import { barTable, caseTable } from './table.ts';

const progress = (text: string): void => {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`);
};

const runCase = async (benchCase: BenchCase, options: BenchOptions, server: BenchServer | undefined) => {
  const events = options.quick ? benchCase.events / 10 : benchCase.events;
  const raw = await runRounds(benchCase, {
    rounds: options.rounds,
    events,
    server,
    onRound: (round) => progress(`${benchCase.id} ${round === 0 ? 'warm-up' : `round ${round}/${options.rounds}`}`),
  });
  progress('');
  return summarize(benchCase, raw, events);
};

const run = async (options: BenchOptions): Promise<readonly CaseResult[]> => {
  await using servers = new BenchServers();
  const needsRedis = options.selected.find(({ local }) => !local);
  const machine = await describeMachine(needsRedis && (await servers.of(needsRedis)));
  console.log(`${machineLine(machine)}\n`);
  const results: CaseResult[] = [];
  for (const benchCase of options.selected) {
    const result = await runCase(benchCase, options, await servers.of(benchCase));
    results.push(result);
    console.log(caseTable(result));
    writeFileSync(options.json, `${JSON.stringify({ machine, quick: options.quick, cases: results }, null, 2)}\n`);
  }
  console.log(`${barTable(results)}\n\nAll figures: ${options.json}`);
  return results;
};

const options = parseOptions(process.argv.slice(2), cases);
if (!options) console.log(USAGE);
else {
  const results = await run(options);
  if (options.assert && results.some(({ bars }) => bars.some(isBelowFloor))) process.exitCode = 1;
}
