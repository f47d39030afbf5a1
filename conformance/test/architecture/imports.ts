import { isRelative, packagesIn, resolveRelative, sourcesOf } from './source.ts';
import { isPublished, type Package, shortName, type Workspace } from './workspace.ts';

const KERNEL = '@logistically/events-kernel';
const BUILDS_ON: Record<string, string> = {
  'redis-cluster': '@logistically/events-redis-streams',
  'redis-sentinel': '@logistically/events-redis-streams',
};

const namesOf = (...fields: (Record<string, string> | undefined)[]): Set<string> =>
  new Set(fields.flatMap((field) => Object.keys(field ?? {})));

/** Imports that the manifest does not declare, and declarations that nothing imports. */
export const dependencyFaults = (workspace: Workspace): string[] =>
  workspace.packages.flatMap((each) => {
    const { manifest } = each;
    const used = packagesIn(sourcesOf(workspace, each, 'src'));
    const usedInTests = packagesIn(sourcesOf(workspace, each, 'test', 'bench', 'chaos'));
    for (const names of [used, usedInTests]) names.delete(manifest.name);
    const runtime = namesOf(manifest.dependencies, manifest.peerDependencies);
    const all = namesOf(manifest.dependencies, manifest.peerDependencies, manifest.devDependencies);
    const faults = [
      ...[...used].filter((name) => !runtime.has(name)).map((name) => `src imports ${name}, which is not declared`),
      ...[...usedInTests].filter((name) => !all.has(name)).map((name) => `test imports ${name}, which is not declared`),
      ...[...runtime]
        .filter((name) => !used.has(name))
        .map((name) => `${name} is declared, but src does not import it`),
      ...Object.keys(manifest.devDependencies ?? {})
        .filter((name) => !usedInTests.has(name.replace('@types/', '')) && !runtime.has(name))
        .map((name) => `${name} is a devDependency that no test imports`),
    ];
    return faults.map((fault) => `${each.directory}: ${fault}`);
  });

function mayImport(each: Package, name: string, workspace: Workspace): boolean {
  if (!name.startsWith('@logistically/')) return each.kind !== 'kernel' || name === 'mitt';
  const target = workspace.packages.find(({ manifest }) => manifest.name === name);
  if (each.kind === 'kernel') return false;
  if (name === KERNEL || each.kind === 'example') return true;
  if (each.kind === 'plugin') return BUILDS_ON[shortName(each)] === name;
  if (each.kind === 'adapter') return target?.kind === 'plugin' || target?.kind === 'adapter';
  return false;
}

/** Imports that the house forbids, whatever a manifest declares. */
export const forbiddenImportFaults = (workspace: Workspace): string[] =>
  workspace.packages.flatMap((each) => {
    const used = packagesIn(sourcesOf(workspace, each, 'src'));
    used.delete(each.manifest.name);
    const forbidden = [...used].filter((name) => !mayImport(each, name, workspace));
    return forbidden.map((name) => `${each.directory}: src must not import ${name}`);
  });

/** Relative imports that leave their package, or leave `src` for the tests, or do not name a file. */
export const relativeImportFaults = (workspace: Workspace): string[] =>
  workspace.packages.flatMap((each) =>
    sourcesOf(workspace, each, 'src', 'test', 'bench', 'chaos').flatMap(({ path, references }) => {
      const inSource = path.startsWith(`${each.directory}/src/`);
      const home = inSource && isPublished(each) ? `${each.directory}/src/` : `${each.directory}/`;
      return references
        .filter(({ specifier }) => isRelative(specifier))
        .flatMap(({ specifier }) => {
          const target = resolveRelative(path, specifier);
          if (specifier.endsWith('/') || specifier === '.' || specifier === '..') return [];
          if (!target.startsWith(home)) return [`${path}: ${specifier} leaves ${home}`];
          return workspace.files.includes(target) ? [] : [`${path}: ${specifier} does not exist`];
        });
    }),
  );
