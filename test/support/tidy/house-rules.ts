// The house rules the compiler and the linter cannot express, each as a function from a parsed file to
// its faults. The globals refused in pure folders are listed once, in biome.json, which the linter
// reads too; here they are looked for again, together with Math.random, which it cannot refuse.

import ts from 'typescript';
import { type Fault, faultAt, type Source, walk } from './source.ts';

/** Lines of a file at the most. */
export const LINES_MAX = 500;

/** Uses of `banned` globals, of Math.random and of import.meta. */
export function purityFaults(source: Source, banned: ReadonlySet<string>): Fault[] {
  const declared = declaredNames(source);
  const faults: Fault[] = [];
  walk(source.tree, (node) => {
    if (ts.isIdentifier(node) && banned.has(node.text) && !declared.has(node.text) && !isMemberName(node)) {
      faults.push(faultAt(source, node, `${node.text} is refused in pure folders`));
    }
    if (namesMathRandom(node)) faults.push(faultAt(source, node, 'Math.random is refused in pure folders'));
    if (ts.isMetaProperty(node)) faults.push(faultAt(source, node, 'import.meta is refused in pure folders'));
  });
  return faults;
}

/** Names the file itself gives to variables, parameters, functions and types: those are not the globals. */
function declaredNames(source: Source): Set<string> {
  const names = new Set<string>();
  walk(source.tree, (node) => {
    const isDeclaration =
      ts.isVariableDeclaration(node) || ts.isParameter(node) || ts.isBindingElement(node) || ts.isFunctionDeclaration(node);
    const isType = ts.isClassDeclaration(node) || ts.isInterfaceDeclaration(node) || ts.isTypeAliasDeclaration(node);
    if ((isDeclaration || isType) && node.name !== undefined && ts.isIdentifier(node.name)) names.add(node.name.text);
  });
  return names;
}

/** Whether an identifier is the name of a member (`x.Date`, `{ Date: 1 }`, a method) and so no global. */
function isMemberName(node: ts.Identifier): boolean {
  const { parent } = node;
  if (ts.isPropertyAccessExpression(parent)) return parent.name === node;
  if (ts.isQualifiedName(parent)) return parent.right === node;
  const isNamed =
    ts.isPropertyAssignment(parent) ||
    ts.isPropertyDeclaration(parent) ||
    ts.isPropertySignature(parent) ||
    ts.isMethodDeclaration(parent) ||
    ts.isMethodSignature(parent);
  return isNamed && parent.name === node;
}

function namesMathRandom(node: ts.Node): boolean {
  if (ts.isPropertyAccessExpression(node)) return node.name.text === 'random' && node.expression.getText() === 'Math';
  if (ts.isElementAccessExpression(node)) return node.expression.getText() === 'Math';
  return ts.isVariableDeclaration(node) && node.initializer?.getText() === 'Math';
}

/** Default exports, enums, namespaces and parameter properties. */
export function syntaxFaults(source: Source): Fault[] {
  const faults: Fault[] = [];
  walk(source.tree, (node) => {
    if (ts.isExportAssignment(node) || hasModifier(node, ts.SyntaxKind.DefaultKeyword)) {
      faults.push(faultAt(source, node, 'a default export; export it by name'));
    }
    if (ts.isEnumDeclaration(node)) faults.push(faultAt(source, node, 'an enum; use an `as const` table'));
    if (ts.isModuleDeclaration(node) && !source.name.endsWith('.d.ts'))
      faults.push(faultAt(source, node, 'a namespace; use a module'));
    if (ts.isParameter(node) && ts.getModifiers(node) !== undefined) faults.push(faultAt(source, node, 'a parameter property'));
  });
  return faults;
}

function hasModifier(node: ts.Node, kind: ts.SyntaxKind): boolean {
  return ts.canHaveModifiers(node) && (ts.getModifiers(node) ?? []).some((modifier) => modifier.kind === kind);
}

/**
 * A file without a header comment, and exported things without a doc comment. Constants and type aliases that stand
 * together without an empty line (the numbers of one C header) share the comment above them.
 */
export function commentFaults(source: Source): Fault[] {
  const faults: Fault[] = [];
  if (!/^(#!.*\n)?\s*\/\/ \S/.test(source.text))
    faults.push(`${source.name}:1: no header comment that says what the file is for`);
  let isParagraphExplained = false;
  let before: ts.Statement | undefined;
  for (const statement of source.tree.statements) {
    const comments = ts.getLeadingCommentRanges(source.text, statement.getFullStart()) ?? [];
    const isExplained = ts.isImportDeclaration(statement) ? false : comments.length > 0;
    isParagraphExplained = isExplained || (isParagraphExplained && !hasEmptyLineBefore(statement, source));
    const isOverload = before !== undefined && nameOf(before) !== undefined && nameOf(before) === nameOf(statement);
    const isShort = ts.isVariableStatement(statement) || ts.isTypeAliasDeclaration(statement);
    const isDocumented = ts.getJSDocCommentsAndTags(statement).length > 0 || isOverload || (isShort && isParagraphExplained);
    if (hasModifier(statement, ts.SyntaxKind.ExportKeyword) && !isDocumented) {
      faults.push(faultAt(source, statement, 'an exported thing without a doc comment'));
    }
    before = statement;
  }
  return faults;
}

/** The name of a function, whose overloads are documented at the first. */
function nameOf(statement: ts.Statement): string | undefined {
  return ts.isFunctionDeclaration(statement) ? statement.name?.text : undefined;
}

function hasEmptyLineBefore(statement: ts.Statement, source: Source): boolean {
  return /\n\s*\n/.test(source.text.slice(statement.getFullStart(), statement.getStart(source.tree)));
}

/** Files too long to be read at once. */
export function lengthFaults(source: Source): Fault[] {
  const lines = source.text.replace(/\n$/, '').split('\n').length;
  return lines > LINES_MAX ? [`${source.name}: ${lines} lines; split it by concern (${LINES_MAX} at the most)`] : [];
}

/** Notes about work left undone. */
export function leftoverFaults(source: Source): Fault[] {
  return source.text
    .split('\n')
    .flatMap((line, k) =>
      /(\/\/|\/\*|^\s*\*).*\b(TODO|FIXME|XXX|HACK)\b/.test(line) ? [`${source.name}:${k + 1}: a note about unfinished work`] : [],
    );
}

/** Uses of console. */
export function consoleFaults(source: Source): Fault[] {
  const faults: Fault[] = [];
  walk(source.tree, (node) => {
    if (ts.isIdentifier(node) && node.text === 'console' && !isMemberName(node)) {
      faults.push(faultAt(source, node, 'console is for src/cli: return facts, or log through pino'));
    }
  });
  return faults;
}

/** Tests that are switched off, or that switch the others off. A test may be skipped for a reason found at run time. */
export function switchedOffFaults(source: Source): Fault[] {
  const faults: Fault[] = [];
  walk(source.tree, (node) => {
    if (!ts.isCallExpression(node) || !ts.isPropertyAccessExpression(node.expression)) return;
    const { expression, name } = node.expression;
    const isTest = /^(test|t)(\.test|\.serial)?$/.test(expression.getText());
    if (isTest && /^(only|skip|todo|failing)$/.test(name.text)) {
      faults.push(faultAt(source, node, `.${name.text}: run it, mend it or remove it`));
    }
  });
  return faults;
}
