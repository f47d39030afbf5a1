import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { Plugin } from 'esbuild';
import { defineConfig } from 'tsup';

/** The settings for every package: tsup finds them from the directory of the package that it is run in. */
interface Manifest {
  exports: Record<string, string>;
  bin?: Record<string, string>;
}

const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as Manifest;
const sources = [...Object.values(manifest.exports), ...Object.values(manifest.bin ?? {})];

const LUA_READ = /readFileSync\(new URL\('(\.\/lua\/[\w-]+\.lua)', import\.meta\.url\), 'utf8'\)/g;

/** Puts the text of a Lua script where the source reads its file, so that `dist` needs no file beside it. */
const inlineLua: Plugin = {
  name: 'inline-lua',
  setup(build) {
    build.onLoad({ filter: /[\\/]src[\\/].*\.ts$/ }, async ({ path }) => {
      const source = await readFile(path, 'utf8');
      const inlined = source.replaceAll(LUA_READ, (_, script: string) =>
        JSON.stringify(readFileSync(resolve(dirname(path), script), 'utf8')),
      );
      if (inlined === source) return undefined;
      // verbatimModuleSyntax keeps an import that nothing uses any more.
      const stillReads = inlined.includes('readFileSync(');
      const contents = stillReads ? inlined : inlined.replace("import { readFileSync } from 'node:fs';", '');
      return { contents, loader: 'ts' };
    });
  },
};

export default defineConfig({
  entry: Object.fromEntries(sources.map((source) => [source.replace(/^\.\/src\/|\.ts$/g, ''), source])),
  format: 'esm',
  target: 'node20',
  platform: 'node',
  dts: true,
  clean: true,
  removeNodeProtocol: false,
  esbuildPlugins: [inlineLua],
});
