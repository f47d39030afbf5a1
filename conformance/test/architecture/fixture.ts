import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { readWorkspace, type Workspace } from './workspace.ts';

const manifest = (directory: string, suffix: string, keyword: string, rest: object): Record<string, unknown> => ({
  name: `@logistically/events-${suffix}`,
  version: '0.0.0',
  description: 'One of the house',
  keywords: ['events', keyword],
  license: 'MIT',
  repository: { type: 'git', url: 'git+https://github.com/onwello/events.git', directory },
  type: 'module',
  sideEffects: false,
  engines: { node: '>=20.19' },
  files: ['dist'],
  exports: { '.': './src/index.ts' },
  publishConfig: {
    access: 'public',
    provenance: true,
    exports: { '.': { types: './dist/index.d.ts', default: './dist/index.js' } },
  },
  ...rest,
});

/** The manifests of a house without a fault: a kernel, a plugin, the kit. */
export const MANIFESTS = {
  kernel: manifest('kernel', 'kernel', 'event-bus', {
    dependencies: { mitt: 'catalog:' },
    devDependencies: { vitest: 'catalog:' },
  }),
  'plugins/two-words': manifest('plugins/two-words', 'two-words', 'transport', {
    peerDependencies: { '@logistically/events-kernel': 'workspace:^' },
    devDependencies: {
      '@logistically/events-conformance': 'workspace:*',
      '@logistically/events-kernel': 'workspace:*',
    },
  }),
  conformance: manifest('conformance', 'conformance', 'testing', {
    peerDependencies: { '@logistically/events-kernel': 'workspace:^' },
    devDependencies: { '@logistically/events-kernel': 'workspace:*', vitest: 'catalog:' },
  }),
};

const FILES: Record<string, string> = {
  '.changeset/first.md': Object.values(MANIFESTS)
    .map(({ name }) => `'${name}': major\n`)
    .join(''),
  'README.md':
    '`one/case` `two/more-cases` [proof](kernel/test/kernel.test.ts#L1) [a](kernel) [b](#top) [c](https://example.org)\n',
  'kernel/README.md': '# Kernel\n',
  'kernel/src/index.ts': "export { kernel } from './kernel.ts';\n",
  'kernel/src/kernel.ts': "import mitt from 'mitt';\nexport const kernel = mitt;\n// EVENTS_SHARED\n",
  'kernel/test/kernel.test.ts':
    "import { test } from 'vitest';\nimport { kernel } from '../src/kernel.ts';\ntest('x', kernel);\n",
  'plugins/two-words/README.md': '# Plugin\n',
  'plugins/two-words/src/index.ts':
    "import { kernel } from '@logistically/events-kernel';\nexport const twoWords = () => kernel('two-words');\n",
  'plugins/two-words/test/conformance.test.ts':
    "import { certify } from '@logistically/events-conformance';\ncertify();\n",
  'conformance/README.md': '# Kit\n',
  'conformance/src/index.ts':
    "import type { kernel } from '@logistically/events-kernel';\nexport const certify = () => {};\n",
  'conformance/test/certify.test.ts': "import { test } from 'vitest';\ntest('x', () => {});\n",
};

/** Runs a guard over that house with some of its files replaced, added, or (`undefined`) taken away. */
export function faultsWith(
  guard: (workspace: Workspace) => string[],
  changes: Record<string, string | object | undefined> = {},
): string[] {
  const root = mkdtempSync(join(tmpdir(), 'events-house-'));
  try {
    const manifests = Object.entries(MANIFESTS).map(([directory, content]) => [`${directory}/package.json`, content]);
    const files = { ...FILES, ...Object.fromEntries(manifests), ...changes };
    for (const [path, content] of Object.entries(files)) {
      if (content === undefined) continue;
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), typeof content === 'string' ? content : JSON.stringify(content));
    }
    return guard(readWorkspace(root));
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}
