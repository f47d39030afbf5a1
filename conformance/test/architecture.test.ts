import { writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { cases } from '../src/cases.ts';
import { anatomyFaults, layoutFaults, machineFaults } from './architecture/anatomy.ts';
import { compressedSize, loadedPackages } from './architecture/footprint.ts';
import { dependencyFaults, forbiddenImportFaults, relativeImportFaults } from './architecture/imports.ts';
import { manifestFaults } from './architecture/manifest.ts';
import { proofFaults } from './architecture/proof.ts';
import { starExportFaults, unreachableFaults, unusedExportFaults } from './architecture/reachability.ts';
import { blocksOf, compileFaults, readmeBlocks } from './architecture/readme.ts';
import { readWorkspace } from './architecture/workspace.ts';

const root = resolve(import.meta.dirname, '../..');
const workspace = readWorkspace(root);
/** What it measured when its contracts were settled, rounded up to the next 256 bytes: it may only shrink. */
const KERNEL_BUDGET = 9216;

test('the workspace is read', () => {
  expect(workspace.packages.map(({ directory }) => directory)).toEqual(
    expect.arrayContaining(['conformance', 'kernel', 'plugins/memory', 'plugins/redis-streams']),
  );
});

// Each guard is shown to fail in architecture/guards.test.ts.
test.each([
  ['no folder at the top is unknown', layoutFaults],
  ['no text speaks of a machine', machineFaults],
  ['every package has the same anatomy', anatomyFaults],
  ['every manifest has the same shape', manifestFaults],
  ['imports equal declared dependencies', dependencyFaults],
  ['no package imports what it must not', forbiddenImportFaults],
  ['relative imports stay at home', relativeImportFaults],
  ['nothing is exported by star', starExportFaults],
  ['every file is reached from an entry', unreachableFaults],
  ['every export is used', unusedExportFaults],
  ['every proof that a README names is there', proofFaults(new Set(cases.map(({ id }) => id)))],
])('%s', (_, guard) => {
  expect(guard(workspace)).toEqual([]);
});

describe('README blocks', () => {
  test('compile', () => {
    const blocks = readmeBlocks(workspace);
    expect(blocks.some(({ document }) => document === 'README.md')).toBe(true);
    expect(compileFaults(workspace, blocks)).toEqual([]);
  });

  test('are told by document and line where they do not', () => {
    const text = [
      '# Title',
      '',
      '```ts',
      "import { nothing } from '@logistically/events-kernel';",
      '```',
      '',
      '```sh',
      'x y',
      '```',
    ];
    const other = [
      '```typescript',
      'const count: number = await Promise.resolve(1);',
      'const word: string = 1;',
      '```',
    ];
    const blocks = [...blocksOf('README.md', text.join('\n')), ...blocksOf('kernel/README.md', other.join('\n'))];
    expect(compileFaults(workspace, blocks)).toEqual([
      expect.stringMatching(/^README\.md:4: .*no exported member 'nothing'/),
      expect.stringMatching(/^kernel\/README\.md:3: Type 'number' is not assignable to type 'string'/),
    ]);
  });
});

describe('the kernel', () => {
  test(`is at most ${KERNEL_BUDGET} bytes, minified and compressed, without mitt`, async () => {
    expect(await compressedSize(join(root, 'kernel/src/index.ts'), ['mitt'])).toBeLessThanOrEqual(KERNEL_BUDGET);
  });

  test('is measured with all that it imports', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'events-size-'));
    const noise = Array.from({ length: 8000 }, (_, index) => (index * 2654435761) % 4294967296).join();
    writeFileSync(join(directory, 'noise.ts'), `export const noise = '${noise}';\n`);
    writeFileSync(join(directory, 'index.ts'), "export { noise } from './noise.ts';\n");
    try {
      expect(await compressedSize(join(directory, 'index.ts'), [])).toBeGreaterThan(KERNEL_BUDGET);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });

  test('loads mitt and nothing else', async () => {
    expect(await loadedPackages('@logistically/events-kernel')).toEqual(['mitt']);
  });
});

test('the memory transport never loads ioredis, the Redis transport does', async () => {
  expect(await loadedPackages('@logistically/events-memory')).not.toContain('ioredis');
  expect(await loadedPackages('@logistically/events-redis-streams')).toContain('ioredis');
});
