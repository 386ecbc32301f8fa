// Source files of the checkout as the compiler sees them: the tidy tests judge syntax trees, not
// text, so a word in a comment or a string is never taken for code.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

/** The top of the checkout, seen from build/test/support/tidy. */
export const ROOT = fileURLToPath(new URL('../../../../', import.meta.url));

/** One parsed file; `name` is its path from the top of the checkout. */
export interface Source {
  readonly name: string;
  readonly text: string;
  readonly tree: ts.SourceFile;
}

/** A fault somebody should mend, as `file:line: what`. */
export type Fault = string;

/** Parses `text` as the file `name`. */
export function parseSource(name: string, text: string): Source {
  return { name, text, tree: ts.createSourceFile(name, text, ts.ScriptTarget.ES2023, true) };
}

/** Every file below those `folders` of the checkout that exist, if it ends in one of `endings`. */
export function readSources(folders: readonly string[], endings: readonly string[] = ['.ts']): Source[] {
  const existing = folders.filter((folder) => existsSync(path.join(ROOT, folder)));
  return existing.flatMap((folder) =>
    readdirSync(path.join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => endings.some((ending) => name.endsWith(ending)))
      .sort()
      .map((name) => parseSource(path.posix.join(folder, name), readFileSync(path.join(ROOT, folder, name), 'utf8'))),
  );
}

/** `what` at `node` of `source`. */
export function faultAt(source: Source, node: ts.Node, what: string): Fault {
  const { line } = source.tree.getLineAndCharacterOfPosition(node.getStart(source.tree));
  return `${source.name}:${line + 1}: ${what}`;
}

/** Calls `visit` for every node below `node`. */
export function walk(node: ts.Node, visit: (node: ts.Node) => void): void {
  ts.forEachChild(node, (child) => {
    visit(child);
    walk(child, visit);
  });
}

/** One import, of any form: static, re-export, type, `import()`, or `new URL('./x.ts', import.meta.url)` of a worker. */
export interface Import {
  readonly specifier: string;
  readonly node: ts.Node;
}

/** Everything `source` imports. */
export function importsOf(source: Source): Import[] {
  const found: Import[] = [];
  walk(source.tree, (node) => {
    const text = specifierOf(node);
    if (text !== undefined && ts.isStringLiteralLike(text)) found.push({ specifier: text.text, node });
  });
  return found;
}

function specifierOf(node: ts.Node): ts.Node | undefined {
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return node.moduleSpecifier;
  if (ts.isImportTypeNode(node)) return ts.isLiteralTypeNode(node.argument) ? node.argument.literal : undefined;
  if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) return node.arguments[0];
  if (!ts.isNewExpression(node) || node.expression.getText() !== 'URL' || node.arguments?.length !== 2) return undefined;
  return node.arguments[1]?.getText() === 'import.meta.url' ? node.arguments[0] : undefined;
}
