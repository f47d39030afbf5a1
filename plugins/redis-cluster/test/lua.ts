import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const directory = new URL(
  './lua/',
  `file://${createRequire(import.meta.url).resolve('@logistically/events-redis-streams/engine')}`,
);

/** A script of the engine: its file, its source, and what it is called by once it was loaded. */
export interface Lua {
  readonly file: string;
  readonly source: string;
  readonly sha: string;
}

/** Every script that there is. */
export const scripts = (): Lua[] =>
  readdirSync(directory).map((file) => {
    const source = readFileSync(new URL(file, directory), 'utf8').replace(/^\s*--.*\n/gm, '');
    return { file, source, sha: createHash('sha1').update(source).digest('hex') };
  });

const NAME = String.raw`[A-Za-z_]\w*`;
const NO_KEY = new Set(['TIME']);

/** Splits at the commas that are in no brackets and no quotes. */
const parts = (text: string): string[] => {
  const found = [''];
  let depth = 0;
  let quoted = false;
  for (const letter of text) {
    if (letter === "'") quoted = !quoted;
    if (!quoted && '({['.includes(letter)) depth++;
    if (!quoted && ')}]'.includes(letter)) depth--;
    if (letter === ',' && depth === 0 && !quoted) found.push('');
    else found[found.length - 1] += letter;
  }
  return found.map((part) => part.trim()).filter((part) => part !== '');
};

/** The text from an opening bracket to the one that closes it. */
const bracketed = (text: string, open: number): string => {
  let depth = 0;
  for (let at = open; at < text.length; at++) {
    if ('({['.includes(text[at] as string)) depth++;
    if (')}]'.includes(text[at] as string) && --depth === 0) return text.slice(open + 1, at);
  }
  return text.slice(open + 1);
};

/**
 * What a script does to something that was not declared as a key of it: calls whose key is not one of `KEYS`, or a name that
 * never means anything else. Reads the source: a name counts when each of its declarations and loops takes it from `KEYS`; a
 * table that is unpacked into a call, when the key is written into it where it is made.
 */
export const undeclared = (source: string): string[] => {
  const keys = new Set<string>();
  const others = new Set<string>();
  const isKey = (text = ''): boolean => /^KEYS\[\d+\]$/.test(text) || (keys.has(text) && !others.has(text));
  const note = (name: string, is: boolean): void => {
    (is ? keys : others).add(name);
  };
  for (const [, names = '', values = ''] of source.matchAll(/^\s*local ([\w, ]+?) = (.*)$/gm)) {
    const given = parts(values);
    for (const [index, name] of parts(names).entries()) note(name, isKey(given[index]));
  }
  // Assigned anew, it may be something else.
  for (const [, name = '', value = ''] of source.matchAll(
    new RegExp(`(?<!local |[\\w.\\], ])\\b(${NAME}) = (?!=)([^\\n]*)`, 'g'),
  ))
    if (keys.has(name)) note(name, isKey(value.trim()));
  for (const [, name = '', list = ''] of source.matchAll(
    new RegExp(`for ${NAME}, (${NAME}) in ipairs\\(([^)]*)\\)`, 'g'),
  ))
    note(name, list === 'KEYS' || (list.startsWith('{') && parts(list.replace(/[{}]/g, '')).every(isKey)));
  for (const [, names = ''] of source.matchAll(/function \w*\(([^)]*)\)/g))
    for (const name of parts(names)) note(name, false);
  const tables = new Map<string, string[]>();
  for (const match of source.matchAll(new RegExp(`local (${NAME}) = \\{`, 'g')))
    tables.set(match[1] as string, parts(bracketed(source, match.index + match[0].length - 1)));

  const found: string[] = [];
  for (const match of source.matchAll(/redis\.p?call\(/g)) {
    let [name = '', ...rest] = parts(bracketed(source, match.index + match[0].length - 1));
    const [, table] = /^unpack\((\w+)\)$/.exec(name) ?? [];
    if (table) [name = '', ...rest] = tables.get(table) ?? [];
    const command = name.replace(/'/g, '');
    if (NO_KEY.has(command)) continue;
    // XGROUP and XINFO name what they do before the key.
    const key = ['XGROUP', 'XINFO'].includes(command) ? rest[1] : rest[0];
    if (!/^'[A-Z]+'$/.test(name) || !isKey(key)) found.push(`${name} ${key ?? ''}`);
  }
  return found;
};
