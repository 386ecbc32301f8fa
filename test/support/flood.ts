// A program that sends frames on one interface as fast as it can, for a bounded time:
//
//   node flood.js IFNAME SECONDS DST SRC LEN
//
// It says `flooding` once it has begun. Runs in the network namespace it is started in.

import { Arena } from '../../src/sys/arena.ts';
import { write } from '../../src/sys/io.ts';
import { openPacketSocket, PACKET_VNET_HDR_SIZE } from '../../src/sys/packet-socket.ts';
import { getLink } from '../../src/sys/rtnetlink.ts';
import { testFrame } from './frames.ts';

const FRAMES_PER_LOOK = 256;

const [ifname = '', seconds = '0', dst = '', src = '', len = '60'] = process.argv.slice(2);
const { fd } = openPacketSocket({ ifindex: getLink(ifname).ifindex });
const arena = new Arena(65_536);
const size = PACKET_VNET_HDR_SIZE + Number(len);
arena.memory.u8.set(testFrame(dst, src, Number(len)), PACKET_VNET_HDR_SIZE);
process.stdout.write('flooding\n');
const end = performance.now() + Number(seconds) * 1000;
while (performance.now() < end) {
  // What does not fit is lost: this is a flood.
  for (let n = 0; n < FRAMES_PER_LOOK; n++) write(fd, arena.address, size);
}
