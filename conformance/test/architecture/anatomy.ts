import { posix } from 'node:path';
import { parseSource } from './source.ts';
import { isPublished, type Package, shortName, type Workspace } from './workspace.ts';

const MAX_LINES = 320;
const TOP_LEVEL_FOLDERS = new Set(['kernel', 'plugins', 'adapters', 'conformance', 'examples']);
const FOLDERS: Record<Package['kind'], readonly string[]> = {
  kernel: ['src', 'test'],
  plugin: ['src', 'test'],
  adapter: ['src', 'test'],
  kit: ['src', 'test', 'bench', 'chaos'],
  example: ['src', 'test', 'data'],
};
const ROOT_FILES = new Set(['package.json', 'README.md', 'CHANGELOG.md']);
const NAMELESS = /^(utils?|helpers?|common|misc|shared|stuff|lib)$/;

const camelCase = (name: string): string => name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());

function missingFiles({ kind, files }: Package): string[] {
  const required = ['README.md'];
  if (kind === 'example') required.push('src/main.ts');
  else required.push('src/index.ts');
  if (kind === 'plugin') required.push('test/conformance.test.ts');
  const missing = required.filter((file) => !files.includes(file));
  if (!files.some((file) => /^test\/.*\.test\.ts$/.test(file))) missing.push('test/<noun>.test.ts');
  return missing.map((file) => `${file} is missing`);
}

function misplacedFiles({ kind, files }: Package): string[] {
  return files
    .filter((file) => {
      const folder = file.split('/')[0] ?? '';
      return file.includes('/') ? !FOLDERS[kind].includes(folder) : !ROOT_FILES.has(file);
    })
    .map((file) => `${file} is not part of a package's anatomy`);
}

function sourceFaults(workspace: Workspace, { directory, files }: Package): string[] {
  return files
    .filter((file) => file.startsWith('src/'))
    .flatMap((file) => {
      const faults: string[] = [];
      const name = posix.basename(file).replace(/\.\w+$/, '');
      const lines = workspace.read(posix.join(directory, file)).split('\n').length;
      if (!/\.(ts|lua)$/.test(file)) faults.push(`${file} is neither TypeScript nor Lua`);
      if (!/^[a-z0-9]+(-[a-z0-9]+)*$/.test(name)) faults.push(`${file} is not in kebab-case`);
      if (NAMELESS.test(name)) faults.push(`${file} is not named by its noun`);
      if (lines > MAX_LINES) faults.push(`${file} has ${lines} lines and wants to be two files`);
      return faults;
    });
}

/** One name everywhere: directory, package, factory, plugin name, error codes. */
function nameFaults(workspace: Workspace, each: Package): string[] {
  const name = shortName(each);
  const suffix = each.kind === 'example' ? `events-example-${name}` : `events-${name}`;
  const expected = each.directory === 'adapters/events' ? '@logistically/events' : `@logistically/${suffix}`;
  const faults = each.manifest.name === expected ? [] : [`package.json: the name is not ${expected}`];
  const index = posix.join(each.directory, 'src/index.ts');
  if (each.kind !== 'plugin' || !workspace.files.includes(index)) return faults;
  const factory = camelCase(name);
  if (!parseSource(index, workspace.read(index)).exports.includes(factory)) {
    faults.push(`src/index.ts does not export the factory ${factory}`);
  }
  const sources = each.files.filter((file) => file.startsWith('src/')).map((file) => posix.join(each.directory, file));
  const code = sources.map((file) => workspace.read(file)).join('\n');
  if (!code.includes(`'${name}'`)) faults.push(`src does not name the plugin '${name}'`);
  const kernel = workspace.files.filter((file) => file.startsWith('kernel/src/')).map((file) => workspace.read(file));
  const known = kernel.join('\n');
  for (const errorCode of new Set(code.match(/\bEVENTS_[A-Z0-9_]+/g))) {
    const own = `EVENTS_${name.toUpperCase().replaceAll('-', '_')}`;
    if (!errorCode.startsWith(own) && !known.includes(errorCode)) {
      faults.push(`${errorCode} is neither a code of the kernel nor one of ${own}_…`);
    }
  }
  return faults;
}

/** Where a package does not look like every other package. */
export const anatomyFaults = (workspace: Workspace): string[] =>
  workspace.packages.flatMap((each) =>
    [
      ...missingFiles(each),
      ...misplacedFiles(each),
      ...(isPublished(each) ? sourceFaults(workspace, each) : []),
      ...nameFaults(workspace, each),
    ].map((fault) => `${each.directory}: ${fault}`),
  );

/** Folders at the top that the layout does not know. */
export const layoutFaults = ({ files }: Workspace): string[] =>
  [...new Set(files.filter((file) => file.includes('/')).map((file) => file.split('/')[0] ?? ''))]
    .filter((folder) => !folder.startsWith('.') && !TOP_LEVEL_FOLDERS.has(folder))
    .map((folder) => `${folder}/ is not a folder of the layout`);

const MACHINE = [
  [/(?<![\w.-])\/(?:home|root|Users|work|workspace|workspaces)\/[\w.-]+/, 'the path of a machine'],
  [/\b[A-Z]:\\Users\\/, 'the path of a machine'],
  [/\bhttps?:\/\/(?:registry|npm)\.[a-z]/, 'the host of a registry'],
] as const;

/** Text that only means something on the machine where it was written. */
export const machineFaults = (workspace: Workspace): string[] =>
  workspace.files.flatMap((file) => {
    const text = workspace.read(file);
    return MACHINE.filter(([pattern]) => pattern.test(text)).map(([, what]) => `${file} contains ${what}`);
  });
