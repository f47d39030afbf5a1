import { posix } from 'node:path';
import ts from 'typescript';
import type { Workspace } from './workspace.ts';

export interface Block {
  /** The document that holds it, from the root. */
  readonly document: string;
  /** Its code, moved down so that line numbers are those of the document. */
  readonly code: string;
}

const FENCE = /^([ \t]*)```(?:ts|typescript)[ \t]*\n([\s\S]*?)^[ \t]*```[ \t]*$/gm;

/** The blocks of a document that are fenced as `ts` or `typescript`. */
export const blocksOf = (document: string, text: string): Block[] =>
  [...text.matchAll(FENCE)].map((match) => {
    const linesBefore = text.slice(0, match.index).split('\n').length;
    return { document, code: '\n'.repeat(linesBefore) + match[2] };
  });

/** The blocks of every document of the workspace that a user reads. */
export const readmeBlocks = (workspace: Workspace): Block[] =>
  workspace.files
    .filter((file) => /(^|\/)(README|CONTRIBUTING|SECURITY)\.md$/.test(file))
    .flatMap((file) => blocksOf(file, workspace.read(file)));

/** The name of every entry of every package, and its source. */
const packagePaths = ({ packages }: Workspace): Record<string, string[]> =>
  Object.fromEntries(
    packages.flatMap(({ directory, manifest }) =>
      Object.entries(manifest.exports ?? {}).map(([key, source]) => [
        manifest.name + key.slice(1),
        [`./${posix.join(directory, source)}`],
      ]),
    ),
  );

function readOptions(workspace: Workspace): ts.CompilerOptions {
  const { config } = ts.readConfigFile(posix.join(workspace.root, 'tsconfig.json'), ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent({ ...config, files: [], include: [] }, ts.sys, workspace.root);
  return { ...options, paths: packagePaths(workspace), pathsBasePath: workspace.root };
}

/** Compiles each block as a module of its own beside its document, and returns what the compiler says. */
export function compileFaults(workspace: Workspace, blocks: readonly Block[]): string[] {
  const options = readOptions(workspace);
  const host = ts.createCompilerHost(options);
  const virtual = new Map<string, Block>();
  for (const [index, block] of blocks.entries()) {
    const folder = posix.dirname(block.document);
    // The root declares no libraries of its own; the kit declares all that its examples use.
    const home = folder === '.' ? 'conformance' : folder;
    virtual.set(posix.join(workspace.root, home, `readme-block-${index}.ts`), block);
  }
  const { fileExists, readFile } = host;
  host.fileExists = (file) => virtual.has(file) || fileExists(file);
  host.readFile = (file) => virtual.get(file)?.code ?? readFile(file);
  host.getSourceFile = (file, languageVersion) => {
    const code = host.readFile(file);
    return code === undefined ? undefined : ts.createSourceFile(file, code, languageVersion);
  };
  const program = ts.createProgram([...virtual.keys()], options, host);
  return [...virtual].flatMap(([file, { document }]) => {
    const source = program.getSourceFile(file);
    const diagnostics = [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)];
    return diagnostics.map(({ start = 0, messageText }) => {
      const line = (source?.getLineAndCharacterOfPosition(start).line ?? 0) + 1;
      return `${document}:${line}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`;
    });
  });
}
