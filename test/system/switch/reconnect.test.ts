// A guest that connects and hangs up again and again costs its port nothing that lasts.

import '../../support/sandbox.ts';
import { readdirSync, writeSync } from 'node:fs';
import t from 'tap';
import { closeFd } from '../../../src/sys/fd.ts';
import { connectUnix } from '../../../src/sys/unix-socket.ts';
import { until } from '../../support/netns.ts';
import { startWeft, weftJson } from '../../support/weft-process.ts';

const SOCKET = '/run/guest.sock';
const STORM = 400;

t.test('a storm of connections leaves no descriptor behind', async (t) => {
  const run = await startWeft('--port', `stream:${SOCKET}`);
  const descriptors = () => readdirSync(`/proc/${run.pid}/fd`).length;
  const before = descriptors();
  for (let connected = 0; connected < STORM; ) {
    const fd = connectUnix(SOCKET);
    if (fd >= 0) {
      closeFd(fd);
      connected++;
    } else {
      // The queue of the listening socket is full: the switch takes from it.
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  await until('all but a few descriptors to be closed', () => descriptors() <= before + 4);

  const guest = connectUnix(SOCKET);
  await until('the next guest to be up', () => weftJson('ports')[0].link === 'up');
  closeFd(guest);
  await until('it to be down', () => weftJson('ports')[0].link === 'down');
  t.notMatch(run.stderr, /unknown reason/);
  t.match(weftJson('show'), { imbalances: [] });
  t.match(await run.end('SIGTERM'), { status: 0 });
});

t.test('what a guest sends at once when it has connected is relayed', async (t) => {
  const run = await startWeft('--port', `stream:${SOCKET}`, '--port', 'tap:t0');
  const frame = Buffer.alloc(4 + 60);
  frame.writeUInt32BE(60);
  frame.write('ffffffffffff525400000001', 4, 'hex');
  for (let n = 1; n <= 20; n++) {
    const guest = connectUnix(SOCKET);
    writeSync(guest, frame);
    await until('the frame to be counted', () => weftJson('ports')[0].rx_frames === n);
    closeFd(guest);
    await until('the guest to be gone', () => weftJson('ports')[0].link === 'down');
  }
  t.same(weftJson('ports')[0].drops, {});
  t.match(await run.end('SIGTERM'), { status: 0 });
});
