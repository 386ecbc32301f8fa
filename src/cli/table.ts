// Tables for people: columns as wide as their widest cell, numbers to the right, no trailing spaces.
// Titles are emphasised on a terminal; otherwise the text is plain.

import { styleText } from 'node:util';

/** One column of rows of type R. */
export interface Column<R> {
  title: string;
  /** Numbers stand to the right. */
  align?: 'left' | 'right';
  cell: (row: R) => string | number;
}

const GAP = '  ';

/** The table as lines. */
export function renderTable<R>(rows: readonly R[], columns: readonly Column<R>[], terminal: boolean): string {
  const cells = rows.map((row) => columns.map((column) => printable(String(column.cell(row)))));
  const titles = columns.map(({ title }) => title);
  const widths = titles.map((title, c) => Math.max(title.length, ...cells.map((line) => (line[c] as string).length)));
  const lineOf = (line: readonly string[]) =>
    line
      .map((cell, c) => (columns[c]?.align === 'right' ? cell.padStart(widths[c] as number) : cell.padEnd(widths[c] as number)))
      .join(GAP)
      .trimEnd();
  const head = lineOf(titles);
  return [terminal ? styleText('bold', head, { validateStream: false }) : head, ...cells.map(lineOf)].join('\n');
}

/** Names and their values, one a line, values in one column. */
export function renderFields(fields: readonly (readonly [string, string])[]): string {
  const width = Math.max(0, ...fields.map(([name]) => name.length));
  return fields.map(([name, value]) => `${name.padEnd(width)}${GAP}${printable(value)}`.trimEnd()).join('\n');
}

/** A number with at most three digits before the unit: `12.3 k`, `1.50 G`. */
export function withUnit(value: number, unit: string): string {
  const prefixes = ['', 'k', 'M', 'G', 'T'];
  let scaled = value;
  let step = 0;
  while (scaled >= 999.5 && step < prefixes.length - 1) {
    scaled /= 1000;
    step++;
  }
  const digits = step === 0 || scaled >= 99.95 ? 0 : scaled >= 9.995 ? 1 : 2;
  return `${scaled.toFixed(digits)} ${prefixes[step]}${unit}`.trimEnd();
}

/** `3 d 04:05:06`, days only when there are any. */
export function durationText(seconds: number): string {
  const two = (n: number) => String(n).padStart(2, '0');
  const days = Math.floor(seconds / 86_400);
  const clock = `${two(Math.floor(seconds / 3600) % 24)}:${two(Math.floor(seconds / 60) % 60)}:${two(Math.floor(seconds) % 60)}`;
  return days === 0 ? clock : `${days} d ${clock}`;
}

/** What others chose, such as socket paths, must not steer the terminal. */
function printable(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, '?');
}
