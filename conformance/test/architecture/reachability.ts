import { posix } from 'node:path';
import { isRelative, resolveRelative, type Source, sourcesOf } from './source.ts';
import { isPublished, type Package, type Workspace } from './workspace.ts';

const entriesOf = ({ directory, manifest, kind }: Package): string[] => {
  const entries = Object.values({ ...manifest.exports, ...manifest.bin });
  return (kind === 'example' ? ['src/main.ts', ...entries] : entries).map((entry) => posix.join(directory, entry));
};

/** Exports by star, which hide what a package offers. */
export const starExportFaults = (workspace: Workspace): string[] =>
  workspace.packages
    .flatMap((each) => sourcesOf(workspace, each, 'src'))
    .flatMap(({ path, exportsAllOf }) => exportsAllOf.map((specifier) => `${path}: export * from '${specifier}'`));

/** Files of `src`, scripts included, that no entry leads to, and entries that export nothing. */
export const unreachableFaults = (workspace: Workspace): string[] =>
  workspace.packages.flatMap((each) => {
    const sources = new Map(sourcesOf(workspace, each, 'src').map((source) => [source.path, source]));
    const entries = entriesOf(each);
    const reached = new Set<string>();
    const visit = (path: string): void => {
      if (reached.has(path)) return;
      reached.add(path);
      for (const { specifier } of sources.get(path)?.references ?? []) {
        if (isRelative(specifier)) visit(resolveRelative(path, specifier));
      }
    };
    for (const entry of entries) visit(entry);
    const files = each.files.filter((file) => file.startsWith('src/')).map((file) => posix.join(each.directory, file));
    const empty = Object.values(each.manifest.exports ?? {})
      .map((entry) => posix.join(each.directory, entry))
      .filter((entry) => sources.get(entry)?.exports.length === 0);
    return [
      ...files.filter((file) => !reached.has(file)).map((file) => `${file} is reached from no entry`),
      ...empty.map((entry) => `${entry} exports nothing`),
    ];
  });

function namesUsedOf(path: string, sources: readonly Source[]): Set<string> | '*' {
  const names = new Set<string>();
  for (const source of sources) {
    for (const reference of source.references) {
      if (!isRelative(reference.specifier) || resolveRelative(source.path, reference.specifier) !== path) continue;
      if (reference.names === '*') return '*';
      for (const name of reference.names) names.add(name);
    }
  }
  return names;
}

/** Exports inside a package that no other file of it takes. */
export const unusedExportFaults = (workspace: Workspace): string[] =>
  workspace.packages.filter(isPublished).flatMap((each) => {
    const entries = entriesOf(each);
    const all = sourcesOf(workspace, each, 'src', 'test', 'bench', 'chaos');
    return all
      .filter(({ path }) => path.startsWith(`${each.directory}/src/`) && !entries.includes(path))
      .flatMap(({ path, exports }) => {
        const used = namesUsedOf(path, all);
        if (used === '*') return [];
        return exports.filter((name) => !used.has(name)).map((name) => `${path}: nothing imports ${name}`);
      });
  });
