// A program that holds a tap as QEMU does with `-netdev tap,ifname=…`: it makes the tap, says `holding`,
// and reads every frame. For each line it is sent it prints how many frames it has read.

import { openTap } from '../../src/sys/tap-device.ts';
import { watchReadable } from '../../src/sys/watch.ts';
import { FrameDevice } from './frame-device.ts';
import { quiet } from './real-ports.ts';

const VNET_HDR_SIZE = 12;

const [name = ''] = process.argv.slice(2);
const tap = openTap(name);
quiet(name);
const device = new FrameDevice(tap, VNET_HDR_SIZE);
let frames = 0;
watchReadable(tap.fd, () => {
  frames += device.receiveAll().length;
});
process.stdin.on('data', () => process.stdout.write(`${frames}\n`));
process.stdout.write('holding\n');
