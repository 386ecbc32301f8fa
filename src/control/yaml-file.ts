// A YAML file that remembers where everything stands in it, so that whatever is wrong with a value is
// said as FILE:LINE:COLUMN: also what a schema finds, which sees values without places.

import { type Document, isMap, isPair, isScalar, LineCounter, type Node, parseDocument } from 'yaml';
import type { z } from 'zod';
import { nearest } from '../lib/nearest.ts';
import { ConfigError, messageOf } from './errors.ts';
import { readTextFile, TextFileError } from './text-file.ts';

/** Octets of a configuration file. */
const FILE_LEN_MAX = 1 << 20;

/** The way to a value: keys and positions. */
export type YamlPath = readonly PropertyKey[];

/** A schema, as far as its shape is looked at to name the known keys. */
interface SchemaNode {
  shape?: Readonly<Record<string, unknown>>;
  element?: unknown;
  def?: { innerType?: unknown };
}

/** A parsed file. */
export class YamlFile {
  readonly #path: string;
  readonly #document: Document;
  readonly #lines: LineCounter;

  private constructor(path: string, document: Document, lines: LineCounter) {
    this.#path = path;
    this.#document = document;
    this.#lines = lines;
  }

  /** Reads a file. Throws ConfigError when it cannot be read or is no YAML. */
  static read(path: string): YamlFile {
    let text: string;
    try {
      text = readTextFile(path, FILE_LEN_MAX);
    } catch (error) {
      if (!(error instanceof TextFileError)) throw error;
      throw new ConfigError(`cannot read the configuration ${path} (${error.message}); give the path of a YAML file`);
    }
    return YamlFile.parse(text, path);
  }

  /** Reads text; `path` is for messages. Throws ConfigError. */
  static parse(text: string, path: string): YamlFile {
    const lines = new LineCounter();
    const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, logLevel: 'error' });
    const file = new YamlFile(path, document, lines);
    const [error] = [...document.errors, ...document.warnings];
    if (error !== undefined) throw new ConfigError(`${file.#at(error.pos[0])}: ${complaint(error.message)}`);
    return file;
  }

  /** The values, checked against `schema`. Throws ConfigError for the first thing that is wrong. */
  check<S extends z.ZodType>(schema: S): z.infer<S> {
    let values: unknown;
    try {
      values = this.#document.toJS({ maxAliasCount: 100 });
    } catch (error) {
      throw new ConfigError(`${this.#path}: ${complaint(messageOf(error))}`);
    }
    // An empty file is an empty mapping.
    const result = schema.safeParse(values ?? {});
    if (result.success) return result.data;
    // A mistyped key is the better news than the required one that it leaves missing.
    const { issues } = result.error;
    const issue = (issues.find(({ code }) => code === 'unrecognized_keys') ?? issues[0]) as z.core.$ZodIssue;
    if (issue.code === 'unrecognized_keys') {
      const key = issue.keys[0] as string;
      this.fail([...issue.path, key], unknownKey(key, knownKeys(schema, issue.path)), 'key');
    }
    const field = issue.path.length === 0 ? 'the file' : pathText(issue.path);
    if (issue.code === 'invalid_type' && issue.input === undefined && this.#isMissing(issue.path)) {
      this.fail(issue.path.slice(0, -1), `${field} is missing`);
    }
    return this.fail(issue.path, `${field}: ${issueText(issue)}`);
  }

  /** Throws a ConfigError that points at the value at `path`, or at its key, or at the nearest thing around it that exists. */
  fail(path: YamlPath, message: string, what: 'key' | 'value' = 'value'): never {
    throw new ConfigError(`${this.#at(this.#offsetOf(path, what))}: ${message}`);
  }

  #isMissing(path: YamlPath): boolean {
    return path.length > 0 && !this.#document.hasIn(path);
  }

  #offsetOf(path: YamlPath, what: 'key' | 'value'): number {
    if (what === 'key') {
      const parent = this.#nodeAt(path.slice(0, -1));
      const pair = isMap(parent)
        ? parent.items.find((item) => isPair(item) && isScalar(item.key) && item.key.value === path.at(-1))
        : undefined;
      const key = pair?.key as Node | undefined;
      if (key?.range) return key.range[0];
    }
    for (let len = path.length; len >= 0; len--) {
      const node = this.#nodeAt(path.slice(0, len));
      if (node?.range) return node.range[0];
    }
    return 0;
  }

  #nodeAt(path: YamlPath): Node | undefined {
    const node = path.length === 0 ? this.#document.contents : this.#document.getIn(path, true);
    return (node ?? undefined) as Node | undefined;
  }

  #at(offset: number): string {
    const { line, col } = this.#lines.linePos(offset);
    return `${this.#path}:${Math.max(1, line)}:${Math.max(1, col)}`;
  }
}

function unknownKey(key: string, known: readonly string[]): string {
  const near = nearest(key, known);
  const meant = near === undefined ? `there are ${known.join(', ')}` : `did you mean ${near}?`;
  return `there is no key '${key}'; ${meant}`;
}

/** The keys that `schema` knows in the object at `path`. */
function knownKeys(schema: unknown, path: YamlPath): string[] {
  let node = unwrapped(schema);
  for (const step of path) node = unwrapped(typeof step === 'number' ? node.element : node.shape?.[String(step)]);
  return Object.keys(node.shape ?? {});
}

function unwrapped(schema: unknown): SchemaNode {
  let node = (schema ?? {}) as SchemaNode;
  while (node.def?.innerType !== undefined) node = node.def.innerType as SchemaNode;
  return node;
}

/** `guests.0.name` as people count: `name of guests entry 1`. */
function pathText(path: YamlPath): string {
  const words: string[] = [];
  for (const step of path) {
    if (typeof step === 'number') words[words.length - 1] = `${words.at(-1) ?? 'list'} entry ${step + 1}`;
    else words.push(String(step));
  }
  return words.reverse().join(' of ');
}

/** What a schema says, in weft's words where it has better ones. */
function issueText(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'too_big':
      return issue.origin === 'array' ? `there may be ${issue.maximum} at the most` : `it may be ${issue.maximum} at the most`;
    case 'too_small':
      return `it must be ${issue.minimum} or more`;
    case 'invalid_value':
      return `it must be one of ${issue.values.join(', ')}`;
    case 'invalid_type':
      return `it must be ${EXPECTED[issue.expected] ?? issue.expected}`;
    case 'invalid_union':
      return 'it must be a text or a number';
    default:
      return oneLine(issue.message);
  }
}

const EXPECTED: Readonly<Record<string, string>> = {
  string: 'a text (put digits and words like yes in quotes)',
  number: 'a number',
  int: 'a whole number',
  object: 'a mapping with keys',
  record: 'a mapping with keys, such as {tap: tap0}',
  array: 'a list',
};

/** What the parser says, in weft's words where it speaks of itself. */
function complaint(message: string): string {
  if (message.includes('call stack')) return 'lists or mappings are nested too deeply here';
  if (message.includes('alias count')) return 'its aliases (*name) multiply to more than a configuration needs';
  return oneLine(message);
}

function oneLine(text: string): string {
  return text.replaceAll(/\s*\n\s*/g, ' ').trim();
}
