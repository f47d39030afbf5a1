import { expect, test } from 'vitest';
import { anatomyFaults, layoutFaults, machineFaults } from './anatomy.ts';
import { faultsWith, MANIFESTS } from './fixture.ts';
import { dependencyFaults, forbiddenImportFaults, relativeImportFaults } from './imports.ts';
import { manifestFaults } from './manifest.ts';
import { proofFaults } from './proof.ts';
import { starExportFaults, unreachableFaults, unusedExportFaults } from './reachability.ts';

// Every guard of the architecture test is shown a house without a fault, and then one with the fault it is there for.

const plugin = 'plugins/two-words';
const index = `${plugin}/src/index.ts`;
const goodIndex =
  "import { kernel } from '@logistically/events-kernel';\nexport const twoWords = () => kernel('two-words');\n";
const pluginManifest = (change: object) => ({ [`${plugin}/package.json`]: { ...MANIFESTS[plugin], ...change } });

const guards = {
  anatomyFaults,
  layoutFaults,
  machineFaults,
  manifestFaults,
  dependencyFaults,
  forbiddenImportFaults,
  relativeImportFaults,
  starExportFaults,
  unreachableFaults,
  unusedExportFaults,
  proofFaults: proofFaults(new Set(['one/case', 'two/more-cases'])),
};

test.each(Object.entries(guards))('%s finds nothing in a house without a fault', (_, guard) => {
  expect(faultsWith(guard)).toEqual([]);
});

type Broken = [
  name: string,
  guard: keyof typeof guards,
  changes: Record<string, string | object | undefined>,
  fault: string,
];

const home = ['', 'home', 'someone', 'events'].join('/');

test.each<Broken>([
  ['a missing README', 'anatomyFaults', { [`${plugin}/README.md`]: undefined }, `${plugin}: README.md is missing`],
  [
    'a plugin that is not certified',
    'anatomyFaults',
    { [`${plugin}/test/conformance.test.ts`]: undefined, [`${plugin}/test/x.test.ts`]: '' },
    `${plugin}: test/conformance.test.ts is missing`,
  ],
  [
    'a package without tests',
    'anatomyFaults',
    { 'kernel/test/kernel.test.ts': undefined },
    'kernel: test/<noun>.test.ts is missing',
  ],
  [
    'a configuration of its own',
    'anatomyFaults',
    { 'kernel/tsconfig.json': '{}' },
    "kernel: tsconfig.json is not part of a package's anatomy",
  ],
  [
    'a folder of its own',
    'anatomyFaults',
    { 'kernel/tools/x.ts': '' },
    "kernel: tools/x.ts is not part of a package's anatomy",
  ],
  ['a drawer', 'anatomyFaults', { 'kernel/src/utils.ts': '' }, 'kernel: src/utils.ts is not named by its noun'],
  ['a camel', 'anatomyFaults', { 'kernel/src/aCamel.ts': '' }, 'kernel: src/aCamel.ts is not in kebab-case'],
  ['JavaScript', 'anatomyFaults', { 'kernel/src/old.js': '' }, 'kernel: src/old.js is neither TypeScript nor Lua'],
  [
    'a long file',
    'anatomyFaults',
    { 'kernel/src/long.ts': '\n'.repeat(400) },
    'kernel: src/long.ts has 401 lines and wants to be two files',
  ],
  [
    'a package with another name than its directory',
    'anatomyFaults',
    pluginManifest({ name: '@logistically/events-three' }),
    `${plugin}: package.json: the name is not @logistically/events-two-words`,
  ],
  [
    'a factory with another name',
    'anatomyFaults',
    { [index]: "export const three = 'two-words';\n" },
    `${plugin}: src/index.ts does not export the factory twoWords`,
  ],
  [
    'a plugin that calls itself something else',
    'anatomyFaults',
    { [index]: 'export const twoWords = 1;\n' },
    `${plugin}: src does not name the plugin 'two-words'`,
  ],
  [
    'an error code of nobody',
    'anatomyFaults',
    { [index]: `${goodIndex}// EVENTS_SHARED EVENTS_TWO_WORDS_LOST EVENTS_OTHER\n` },
    `${plugin}: EVENTS_OTHER is neither a code of the kernel nor one of EVENTS_TWO_WORDS_…`,
  ],
  ['a new folder at the top', 'layoutFaults', { 'tools/x.ts': '' }, 'tools/ is not a folder of the layout'],
  ['the path of a machine', 'machineFaults', { 'README.md': home }, 'README.md contains the path of a machine'],
  [
    'the host of a registry',
    'machineFaults',
    { 'pnpm-lock.yaml': `https://${'registry'}.example.org/mitt` },
    'pnpm-lock.yaml contains the host of a registry',
  ],
  [
    'another licence',
    'manifestFaults',
    pluginManifest({ license: 'ISC' }),
    `${plugin}/package.json: license is not MIT`,
  ],
  [
    'an unknown key',
    'manifestFaults',
    pluginManifest({ scripts: { postinstall: 'x' } }),
    `${plugin}/package.json: the keys ${Object.keys(MANIFESTS[plugin]).join(', ')}, scripts are not ${Object.keys(MANIFESTS[plugin]).join(', ')}`,
  ],
  [
    'side effects',
    'manifestFaults',
    pluginManifest({ sideEffects: true }),
    `${plugin}/package.json: sideEffects is not false`,
  ],
  [
    'a plugin of no contract',
    'manifestFaults',
    pluginManifest({ keywords: ['events'] }),
    `${plugin}/package.json: keywords name 0 contracts, not one`,
  ],
  [
    'a version beside the catalog',
    'manifestFaults',
    { 'kernel/package.json': { ...MANIFESTS.kernel, dependencies: { mitt: '^3.0.0' } } },
    'kernel/package.json: dependencies: mitt is ^3.0.0, not catalog:',
  ],
  [
    'a peer that is not installed for development',
    'manifestFaults',
    pluginManifest({ devDependencies: { '@logistically/events-conformance': 'workspace:*' } }),
    `${plugin}/package.json: the peer @logistically/events-kernel is not a devDependency`,
  ],
  [
    'a private package',
    'manifestFaults',
    { 'kernel/package.json': { name: MANIFESTS.kernel.name, version: '0.0.0', private: true, ...MANIFESTS.kernel } },
    'kernel/package.json: examples are private, packages are not',
  ],
  [
    'a package that was never released, and will not be',
    'manifestFaults',
    { '.changeset/first.md': "'@logistically/events-kernel': major\n'@logistically/events-conformance': major\n" },
    `${plugin}/package.json: no changeset releases it`,
  ],
  [
    'an undeclared import of a type',
    'dependencyFaults',
    { [index]: `${goodIndex}import type { Redis } from 'ioredis';\n` },
    `${plugin}: src imports ioredis, which is not declared`,
  ],
  [
    'an undeclared dynamic import',
    'dependencyFaults',
    { [index]: `${goodIndex}await import('ioredis/built/x');\n` },
    `${plugin}: src imports ioredis, which is not declared`,
  ],
  [
    'an undeclared import in a test',
    'dependencyFaults',
    { 'kernel/test/other.test.ts': "import fc from 'fast-check';\n" },
    'kernel: test imports fast-check, which is not declared',
  ],
  [
    'a dependency that nothing imports',
    'dependencyFaults',
    { 'kernel/src/kernel.ts': 'export const kernel = 1;\n' },
    'kernel: mitt is declared, but src does not import it',
  ],
  [
    'a devDependency that no test imports',
    'dependencyFaults',
    { 'kernel/test/kernel.test.ts': '' },
    'kernel: vitest is a devDependency that no test imports',
  ],
  [
    'a kernel with a second library',
    'forbiddenImportFaults',
    { 'kernel/src/kernel.ts': "import 'lodash';\n" },
    'kernel: src must not import lodash',
  ],
  [
    'a kernel that knows a plugin',
    'forbiddenImportFaults',
    { 'kernel/src/kernel.ts': "import type {} from '@logistically/events-two-words';\n" },
    'kernel: src must not import @logistically/events-two-words',
  ],
  [
    'a plugin on a plugin',
    'forbiddenImportFaults',
    { [index]: "export { x } from '@logistically/events-redis-streams';\n" },
    `${plugin}: src must not import @logistically/events-redis-streams`,
  ],
  [
    'a plugin that ships the kit',
    'forbiddenImportFaults',
    { [index]: "import '@logistically/events-conformance';\n" },
    `${plugin}: src must not import @logistically/events-conformance`,
  ],
  [
    'a path into another package',
    'relativeImportFaults',
    { [index]: "import { kernel } from '../../../kernel/src/kernel.ts';\n" },
    `${index}: ../../../kernel/src/kernel.ts leaves ${plugin}/src/`,
  ],
  [
    'a source that imports a test',
    'relativeImportFaults',
    { 'kernel/src/kernel.ts': "import '../test/kernel.test.ts';\n" },
    'kernel/src/kernel.ts: ../test/kernel.test.ts leaves kernel/src/',
  ],
  [
    'an import without its ending',
    'relativeImportFaults',
    { 'kernel/src/index.ts': "export { kernel } from './kernel';\n" },
    'kernel/src/index.ts: ./kernel does not exist',
  ],
  [
    'an export by star',
    'starExportFaults',
    { 'kernel/src/index.ts': "export * from './kernel.ts';\n" },
    "kernel/src/index.ts: export * from './kernel.ts'",
  ],
  [
    'a file that nothing imports',
    'unreachableFaults',
    { 'kernel/src/orphan.ts': 'export const orphan = 1;\n' },
    'kernel/src/orphan.ts is reached from no entry',
  ],
  [
    'a script that nothing reads',
    'unreachableFaults',
    {
      [index]: `${goodIndex}readFileSync(new URL('./lua/read.lua', import.meta.url), 'utf8');\n`,
      [`${plugin}/src/lua/read.lua`]: '',
      [`${plugin}/src/lua/orphan.lua`]: '',
    },
    `${plugin}/src/lua/orphan.lua is reached from no entry`,
  ],
  ['an empty entry', 'unreachableFaults', { [index]: 'export {};\n' }, `${index} exports nothing`],
  [
    'an export that nothing imports',
    'unusedExportFaults',
    { 'kernel/src/kernel.ts': 'export const kernel = 1;\nexport interface Unused {}\n' },
    'kernel/src/kernel.ts: nothing imports Unused',
  ],
  [
    'a case that there is not',
    'proofFaults',
    { 'README.md': '`one/case` `two/cases`\n' },
    'README.md: there is no case two/cases',
  ],
  [
    'a waiver of a case that there is not',
    'proofFaults',
    { 'kernel/README.md': "`waive: { 'one/more': 'why' }`\n" },
    'kernel/README.md: there is no case one/more',
  ],
  [
    'a link to a test that there is not',
    'proofFaults',
    { 'README.md': '[lost](kernel/test/lost.test.ts)\n' },
    'README.md: kernel/test/lost.test.ts does not exist',
  ],
  [
    'a test that was renamed',
    'proofFaults',
    { 'kernel/README.md': 'As `test/kernel.test.ts` and `test/lost.test.ts` show.\n' },
    'kernel/README.md: test/lost.test.ts does not exist',
  ],
])('the guard against %s fails on one', (_, guard, changes, fault) => {
  expect(faultsWith(guards[guard], changes)).toEqual([fault]);
});
