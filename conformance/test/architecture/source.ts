import { posix } from 'node:path';
import ts from 'typescript';
import type { Package, Workspace } from './workspace.ts';

export interface Reference {
  readonly specifier: string;
  /** The names that are imported, or `'*'` for all of them. */
  readonly names: readonly string[] | '*';
}

export interface Source {
  readonly path: string;
  readonly references: readonly Reference[];
  /** The names that this file exports itself, or passes on by name. */
  readonly exports: readonly string[];
  /** Modules that it exports with `export *`. */
  readonly exportsAllOf: readonly string[];
}

const text = (node: ts.Node | undefined): string | undefined =>
  node !== undefined && ts.isStringLiteralLike(node) ? node.text : undefined;

const declaredNames = (statement: ts.Statement): string[] => {
  if (ts.isVariableStatement(statement)) {
    return statement.declarationList.declarations.flatMap(({ name }) => (ts.isIdentifier(name) ? [name.text] : []));
  }
  const { name } = statement as ts.Statement & { name?: ts.Identifier };
  return name === undefined ? ['default'] : [name.text];
};

const isExported = (node: ts.Statement): boolean =>
  ts.canHaveModifiers(node) === true &&
  ts.getModifiers(node)?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword) === true;

function importedNames(clause: ts.ImportClause | undefined): readonly string[] | '*' {
  if (clause === undefined) return [];
  const bindings = clause.namedBindings;
  if (bindings !== undefined && ts.isNamespaceImport(bindings)) return '*';
  const names = bindings?.elements.map(({ name, propertyName }) => (propertyName ?? name).text) ?? [];
  return clause.name === undefined ? names : [...names, 'default'];
}

/** Module names in calls: `import('x')`, `require('x')`, `require.resolve('x')`, `import.meta.resolve('x')`, `new URL('x', …)`. */
function referenceOfExpression(node: ts.Node): string | undefined {
  if (ts.isImportTypeNode(node)) return ts.isLiteralTypeNode(node.argument) ? text(node.argument.literal) : undefined;
  if (ts.isNewExpression(node) && node.expression.getText() === 'URL') {
    return node.arguments?.[1]?.getText() === 'import.meta.url' ? text(node.arguments[0]) : undefined;
  }
  if (!ts.isCallExpression(node)) return undefined;
  if (node.expression.kind === ts.SyntaxKind.ImportKeyword) return text(node.arguments[0]);
  return /^(require|require\.resolve|import\.meta\.resolve)$/.test(node.expression.getText())
    ? text(node.arguments[0])
    : undefined;
}

/** Parses one TypeScript file for what it imports, value or type alike, and what it exports. */
export function parseSource(path: string, code: string): Source {
  const file = ts.createSourceFile(path, code, ts.ScriptTarget.ESNext, true);
  const references: Reference[] = [];
  const exports: string[] = [];
  const exportsAllOf: string[] = [];
  for (const statement of file.statements) {
    if (ts.isImportDeclaration(statement)) {
      const specifier = text(statement.moduleSpecifier) ?? '';
      references.push({ specifier, names: importedNames(statement.importClause) });
    } else if (ts.isExportDeclaration(statement)) {
      const specifier = text(statement.moduleSpecifier);
      const clause = statement.exportClause;
      const elements = clause !== undefined && ts.isNamedExports(clause) ? clause.elements : undefined;
      exports.push(...(elements?.map(({ name }) => name.text) ?? []));
      if (specifier === undefined) continue;
      if (clause === undefined) exportsAllOf.push(specifier);
      const names = elements?.map(({ name, propertyName }) => (propertyName ?? name).text) ?? '*';
      references.push({ specifier, names });
    } else if (ts.isExportAssignment(statement)) {
      exports.push('default');
    } else if (isExported(statement)) {
      exports.push(...declaredNames(statement));
    }
  }
  const visit = (node: ts.Node): void => {
    const specifier = referenceOfExpression(node);
    if (specifier !== undefined) references.push({ specifier, names: '*' });
    ts.forEachChild(node, visit);
  };
  visit(file);
  return { path, references, exports, exportsAllOf };
}

/** The parsed TypeScript files of a package that lie in one of the folders. */
export const sourcesOf = (workspace: Workspace, { directory, files }: Package, ...folders: string[]): Source[] =>
  files
    .filter((file) => file.endsWith('.ts') && folders.some((folder) => file.startsWith(`${folder}/`)))
    .map((file) => posix.join(directory, file))
    .map((path) => parseSource(path, workspace.read(path)));

export const isRelative = (specifier: string): boolean => specifier.startsWith('.');

/** The path that a relative specifier means, from the root. */
export const resolveRelative = (from: string, specifier: string): string => posix.join(posix.dirname(from), specifier);

/** `@scope/name/sub` and `name/sub` without what follows the name. */
export const packageName = (specifier: string): string =>
  specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');

/** The packages, not of Node, that the sources name. */
export const packagesIn = (sources: readonly Source[]): Set<string> =>
  new Set(
    sources
      .flatMap(({ references }) => references.map(({ specifier }) => specifier))
      .filter((specifier) => !isRelative(specifier) && !/^(node:|file:|data:|https?:)/.test(specifier))
      .map(packageName),
  );
