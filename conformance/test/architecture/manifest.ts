import { isDeepStrictEqual } from 'node:util';
import { isPublished, type Manifest, type Package, type Workspace } from './workspace.ts';

const CONTRACTS = ['transport', 'middleware', 'feature'];
const KEYS = [
  'name',
  'version',
  'private',
  'description',
  'keywords',
  'license',
  'repository',
  'type',
  'sideEffects',
  'engines',
  'files',
  'exports',
  'bin',
  'publishConfig',
  'dependencies',
  'peerDependencies',
  'peerDependenciesMeta',
  'devDependencies',
];
const EXAMPLE_KEYS = ['name', 'version', 'private', 'description', 'license', 'type', 'engines'];

const inDist = (source: string, ending: string): string => source.replace('./src/', './dist/').replace(/\.ts$/, ending);

const expectedPublishConfig = ({ exports = {}, bin }: Manifest) => ({
  access: 'public',
  provenance: true,
  exports: Object.fromEntries(
    Object.entries(exports).map(([key, source]) => [
      key,
      { types: inDist(source, '.d.ts'), default: inDist(source, '.js') },
    ]),
  ),
  ...(bin && { bin: Object.fromEntries(Object.entries(bin).map(([name, source]) => [name, inDist(source, '.js')])) }),
});

function publishedFaults({ kind, directory, manifest, files }: Package, changesets: readonly string[]): string[] {
  const expected: Record<string, unknown> = {
    repository: { type: 'git', url: 'git+https://github.com/onwello/events.git', directory },
    sideEffects: false,
    files: ['dist'],
    publishConfig: expectedPublishConfig(manifest),
  };
  const faults = Object.entries(expected)
    .filter(([key, value]) => !isDeepStrictEqual(manifest[key], value))
    .map(([key, value]) => `${key} is not ${JSON.stringify(value)}`);
  if (manifest.version === '0.0.0' && !changesets.some((text) => text.includes(`'${manifest.name}'`)))
    faults.push('no changeset releases it');
  const entries = { ...manifest.exports, ...manifest.bin };
  if (manifest.exports?.['.'] !== './src/index.ts') faults.push('exports["."] is not ./src/index.ts');
  for (const [key, source] of Object.entries(entries)) {
    if (!files.includes(source.replace('./', ''))) faults.push(`${key} points at ${source}, which does not exist`);
  }
  const keywords = manifest.keywords ?? [];
  if (!keywords.includes('events')) faults.push('keywords lack "events"');
  const contracts = CONTRACTS.filter((contract) => keywords.includes(contract));
  if (kind === 'plugin' && contracts.length !== 1) faults.push(`keywords name ${contracts.length} contracts, not one`);
  return faults;
}

function versionFaults({ manifest }: Package): string[] {
  const faults: string[] = [];
  const check = (field: 'dependencies' | 'peerDependencies' | 'devDependencies', workspaceRange: string): void => {
    const names = Object.keys(manifest[field] ?? {});
    if (!isDeepStrictEqual(names, names.toSorted())) faults.push(`${field} are not sorted`);
    for (const [name, range] of Object.entries(manifest[field] ?? {})) {
      const ours = name.startsWith('@logistically/');
      // What a peer may be is the user's choice, so that one range is written out.
      const right = ours ? range === workspaceRange : range === 'catalog:' || field === 'peerDependencies';
      if (!right) faults.push(`${field}: ${name} is ${range}, not ${ours ? workspaceRange : 'catalog:'}`);
    }
  };
  check('dependencies', manifest.private === true ? 'workspace:*' : 'workspace:^');
  check('peerDependencies', 'workspace:^');
  check('devDependencies', 'workspace:*');
  for (const peer of Object.keys(manifest.peerDependencies ?? {})) {
    if (manifest.devDependencies?.[peer] === undefined) faults.push(`the peer ${peer} is not a devDependency`);
  }
  return faults;
}

/** Where the manifest of a package has not the shape that all share. */
export const manifestFaults = (workspace: Workspace): string[] => {
  const changesets = workspace.files.filter((file) => /^\.changeset\/[^/]+\.md$/.test(file)).map(workspace.read);
  return workspace.packages.flatMap((each) => {
    const { manifest } = each;
    const faults: string[] = [];
    const keys = Object.keys(manifest);
    const known = KEYS.filter((key) => keys.includes(key));
    if (!isDeepStrictEqual(keys, known)) faults.push(`the keys ${keys.join(', ')} are not ${known.join(', ')}`);
    for (const key of isPublished(each) ? ['keywords', 'exports'] : EXAMPLE_KEYS) {
      if (manifest[key] === undefined) faults.push(`${key} is missing`);
    }
    if (!manifest.description) faults.push('description is missing');
    if (manifest.license !== 'MIT') faults.push('license is not MIT');
    if (manifest.type !== 'module') faults.push('type is not module');
    if (!isDeepStrictEqual(manifest.engines, { node: '>=20.19' })) faults.push('engines.node is not >=20.19');
    if ((manifest.private === true) === isPublished(each)) faults.push('examples are private, packages are not');
    faults.push(...versionFaults(each), ...(isPublished(each) ? publishedFaults(each, changesets) : []));
    return faults.map((fault) => `${each.directory}/package.json: ${fault}`);
  });
};
