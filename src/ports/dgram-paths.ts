// The two paths of a dgram port, written LOCAL:REMOTE. A colon that belongs to a path is `\:`, and a
// backslash before a colon or a backslash `\\`; any other backslash is itself.

/** Where a dgram port and its guest have their sockets. */
export interface DgramPaths {
  /** The port's own. */
  readonly local: string;
  /** The guest's. */
  readonly remote: string;
}

/** Reads LOCAL:REMOTE; undefined unless it is two paths. */
export function parseDgramPaths(target: string): DgramPaths | undefined {
  const paths = [''];
  for (let i = 0; i < target.length; i++) {
    const next = target[i + 1];
    if (target[i] === ':') paths.push('');
    else if (target[i] === '\\' && (next === ':' || next === '\\')) paths[paths.length - 1] += target[++i];
    else paths[paths.length - 1] += target[i];
  }
  const [local = '', remote = ''] = paths;
  return paths.length === 2 && local !== '' && remote !== '' ? { local, remote } : undefined;
}

/** Writes LOCAL:REMOTE. */
export function formatDgramPaths({ local, remote }: DgramPaths): string {
  return [local, remote].map((path) => path.replaceAll(/[\\:]/g, '\\$&')).join(':');
}
