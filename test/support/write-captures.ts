// Writes the captures of fixtures/pcap anew: `node build/test/support/write-captures.js`.

import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { CAPTURES, pcapFile } from './captures.ts';

const folder = path.join(import.meta.dirname, '../../../fixtures/pcap');
mkdirSync(folder, { recursive: true });
for (const [name, frames] of Object.entries(CAPTURES)) writeFileSync(path.join(folder, `${name}.pcap`), pcapFile(frames));
