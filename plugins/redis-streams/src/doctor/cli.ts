#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { EventsError } from '@logistically/events-kernel';
import { aclRule } from '../acl.ts';
import { diagnose } from './diagnosis.ts';
import { examine } from './examination.ts';
import { lossBound } from './loss-bound.ts';
import { jsonReport, textReport } from './report.ts';
import { type Request, requestOf } from './request.ts';
import { concealed, printable } from './secret.ts';
import type { TlsFiles } from './session.ts';
import { USAGE } from './usage.ts';

/** Where to look, once it is known: its passwords must not be printed. */
let url: string | undefined;

/** Only the message, and no secret in it: what an error carries beside it may show a password. */
const complain = (thrown: unknown): void => {
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  console.error(printable(concealed(message, url)));
};

/** What stands in the files. */
const contentsOf = (files: Readonly<Record<string, string>>): TlsFiles =>
  Object.fromEntries(
    Object.entries(files).map(([name, file]) => {
      try {
        return [name, readFileSync(file, 'utf8')];
      } catch (cause) {
        throw new EventsError('EVENTS_CONFIG', `The file of --tls-${name} cannot be read.`, { cause });
      }
    }),
  );

const look = async (request: Extract<Request, { readonly kind: 'look' }>): Promise<number> => {
  const { target, files, json } = request;
  url = request.url;
  const facts = await examine(target, { ...request, tls: contentsOf(files) });
  const findings = diagnose(facts);
  const report = json ? jsonReport : textReport;
  // Nothing in it comes from the URL but addresses and names: a weak password that is a word would only be pointed out by its absence.
  console.log(report(facts, findings, lossBound(facts)));
  return findings.some(({ level }) => level === 'error') ? 1 : 0;
};

const main = async (): Promise<number> => {
  const request = requestOf(process.argv.slice(2), process.env);
  if (request.kind === 'look') return look(request);
  console.log(request.kind === 'help' ? USAGE : aclRule(request.role, request.options));
  return 0;
};

// Node would print all that an error carries; the client warns of what is none of the user's business here.
process.on('uncaughtException', (thrown) => {
  complain(thrown);
  process.exit(2);
});
console.warn = () => {};
try {
  process.exitCode = await main();
} catch (thrown) {
  complain(thrown);
  process.exitCode = 2;
}
// What is left open must not keep the process.
process.stdout.write('', () => process.exit());
