// What sandbox.test.ts kills: a sandboxed program with a namespace and a detached child of its own.

import './sandbox.ts';
import { spawn } from 'node:child_process';
import { addNetns } from './netns.ts';

addNetns('left-behind');
spawn('sleep', ['4242'], { detached: true, stdio: 'ignore' });
process.stdout.write('ready\n');
setInterval(() => {}, 1000);
