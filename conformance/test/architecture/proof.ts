import { posix } from 'node:path';
import type { Workspace } from './workspace.ts';

const CASE = /[`']([a-z]+(?:-[a-z]+)*\/[a-z]+(?:-[a-z]+)*)[`']/g;
const LINK = /\]\((?!\w+:|#)([^)#]+)[^)]*\)/g;
const TEST_FILE = /`(test\/[\w/.-]+\.test\.ts)`/g;

const found = (text: string, pattern: RegExp): string[] =>
  [...text.matchAll(pattern)].map((match) => match[1] as string);

/** What a README names as a proof, or links to, and is not there: cases of the kit, test files, documents. */
export const proofFaults =
  (cases: ReadonlySet<string>) =>
  ({ files, read }: Workspace): string[] => {
    const exists = (path: string): boolean => files.some((file) => file === path || file.startsWith(`${path}/`));
    return files
      .filter((file) => posix.basename(file) === 'README.md')
      .flatMap((document) => {
        const text = read(document);
        const folder = posix.dirname(document);
        const paths = [...found(text, LINK), ...found(text, TEST_FILE)];
        return [
          ...found(text, CASE)
            .filter((id) => !cases.has(id))
            .map((id) => `${document}: there is no case ${id}`),
          ...paths
            .filter((path) => !exists(posix.join(folder, path).replace(/\/$/, '')))
            .map((path) => `${document}: ${path} does not exist`),
        ];
      });
  };
