// Packs every publishable package and uses the tarballs as a stranger would: in an empty project, with npm.
// Needs `pnpm build` first. Prints one line per check and, last, how many passed and failed.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const work = mkdtempSync(join(tmpdir(), 'events-tarballs-'));
const counts = { passed: 0, failed: 0 };

const run = (cwd, command, ...args) => {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, encoding: 'utf8' });
  return { ok: status === 0, output: `${stdout ?? ''}${stderr ?? ''}${error ?? ''}`.trim() };
};

const check = (name, { ok, output }) => {
  counts[ok ? 'passed' : 'failed']++;
  console.log(`${ok ? 'ok' : 'FAILED'} ${name}${ok ? '' : `\n${output}`}`);
  return ok;
};

const tool = (name) => join(root, 'node_modules', '.bin', name);

const directories = ['kernel', 'conformance'];
for (const group of ['plugins', 'adapters']) {
  if (existsSync(join(root, group))) {
    for (const name of readdirSync(join(root, group)).sort()) directories.push(join(group, name));
  }
}

const packages = directories
  .filter((directory) => existsSync(join(root, directory, 'package.json')))
  .map((directory) => {
    const path = join(root, directory);
    const manifest = JSON.parse(readFileSync(join(path, 'package.json'), 'utf8'));
    const tarball = join(work, `${manifest.name.replace('@', '').replace('/', '-')}-${manifest.version}.tgz`);
    const names = Object.keys(manifest.exports).map((key) => manifest.name + key.slice(1));
    return { path, manifest, tarball, names };
  });
const names = packages.flatMap((each) => each.names);

for (const { path, manifest, tarball } of packages) {
  if (!check(`pack ${manifest.name}`, run(path, 'pnpm', 'pack', '--pack-destination', work))) continue;
  check(`publint ${manifest.name}`, run(root, tool('publint'), tarball, '--strict'));
  // esm-only: CommonJS reaches these packages by require(esm), which attw does not know; `require` is tried below.
  check(`attw ${manifest.name}`, run(root, tool('attw'), tarball, '--profile', 'esm-only'));
}

const project = join(work, 'project');
mkdirSync(project);
writeFileSync(join(project, 'package.json'), '{ "private": true, "type": "module" }\n');
const compiler = JSON.parse(readFileSync(join(root, 'node_modules/typescript/package.json'), 'utf8')).version;
const nodeTypes = JSON.parse(readFileSync(join(root, 'node_modules/@types/node/package.json'), 'utf8')).version;
const tarballs = packages.map(({ tarball }) => tarball);
check(
  'npm install of the tarballs in an empty project',
  run(
    project,
    'npm',
    'install',
    '--no-audit',
    '--no-fund',
    ...tarballs,
    `typescript@${compiler}`,
    `@types/node@${nodeTypes}`,
  ),
);

for (const name of names) {
  // Loaded from a file of the project, so that the name resolves there and not in this workspace.
  const file = join(project, 'load');
  const loaded = "if (Object.keys(loaded).length === 0) throw new Error('exports nothing');";
  writeFileSync(`${file}.mjs`, `const loaded = await import('${name}');\n${loaded}\n`);
  check(`import ${name}`, run(project, 'node', `${file}.mjs`));
  writeFileSync(`${file}.cjs`, `const loaded = require('${name}');\n${loaded}\n`);
  check(`require ${name}`, run(project, 'node', `${file}.cjs`));
}

const uses = names.map(
  (name, index) => `import * as p${index} from '${name}';\nconsole.log(Object.keys(p${index}));\n`,
);
for (const [file, module, resolution] of [
  ['use.mts', 'nodenext', 'nodenext'],
  ['use.cts', 'nodenext', 'nodenext'],
  ['use.mts', 'esnext', 'bundler'],
]) {
  writeFileSync(join(project, file), uses.join(''));
  const options = [
    '--noEmit',
    '--strict',
    '--target',
    'es2023',
    '--lib',
    'es2023,esnext.disposable',
    '--types',
    'node',
  ];
  const tsc = join(project, 'node_modules', '.bin', 'tsc');
  check(
    `type-check ${file} under ${resolution}`,
    run(project, tsc, ...options, '--module', module, '--moduleResolution', resolution, file),
  );
}

for (const { manifest } of packages) {
  for (const name of Object.keys(manifest.bin ?? {})) {
    check(`${name} --help`, run(project, join(project, 'node_modules', '.bin', name), '--help'));
  }
}

rmSync(work, { recursive: true, force: true });
console.log(`${counts.passed} passed, ${counts.failed} failed`);
process.exitCode = counts.failed === 0 ? 0 : 1;
