import { readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';

export interface Manifest {
  name: string;
  version: string;
  private?: boolean;
  keywords?: string[];
  exports?: Record<string, string>;
  bin?: Record<string, string>;
  publishConfig?: { exports?: Record<string, { types: string; default: string }>; bin?: Record<string, string> };
  dependencies?: Record<string, string>;
  peerDependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
  [key: string]: unknown;
}

export interface Package {
  readonly kind: 'kernel' | 'plugin' | 'adapter' | 'kit' | 'example';
  /** Relative to the root, like every path here, with `/`. */
  readonly directory: string;
  readonly manifest: Manifest;
  /** What lies in the directory, relative to it. */
  readonly files: readonly string[];
}

export interface Workspace {
  readonly root: string;
  readonly files: readonly string[];
  readonly packages: readonly Package[];
  read(path: string): string;
}

const NOT_OURS = new Set(['node_modules', 'dist', 'coverage', '.git']);
const KIND_OF = [
  [/^kernel$/, 'kernel'],
  [/^conformance$/, 'kit'],
  [/^plugins\/[^/]+$/, 'plugin'],
  [/^adapters\/[^/]+$/, 'adapter'],
  [/^examples\/[^/]+$/, 'example'],
] as const;

function* walk(root: string, directory: string): Generator<string> {
  for (const entry of readdirSync(join(root, directory), { withFileTypes: true })) {
    if (NOT_OURS.has(entry.name)) continue;
    const path = posix.join(directory, entry.name);
    if (entry.isDirectory()) yield* walk(root, path);
    else yield path;
  }
}

/** Reads the files of a checkout, and from them its packages. */
export function readWorkspace(root: string): Workspace {
  const files = [...walk(root, '.')].sort();
  const read = (path: string): string => readFileSync(join(root, path), 'utf8');
  const packages = files
    .filter((file) => posix.basename(file) === 'package.json')
    .flatMap((file): Package[] => {
      const directory = posix.dirname(file);
      const kind = KIND_OF.find(([pattern]) => pattern.test(directory))?.[1];
      if (kind === undefined) return [];
      const own = files
        .filter((each) => each.startsWith(`${directory}/`))
        .map((each) => each.slice(directory.length + 1));
      return [{ kind, directory, manifest: JSON.parse(read(file)) as Manifest, files: own }];
    });
  return { root, files, packages, read };
}

/** What is published, in contrast to the examples. */
export const isPublished = ({ kind }: Package): boolean => kind !== 'example';

/** The last part of the directory: `redis-streams`. */
export const shortName = ({ directory }: Package): string => posix.basename(directory);
