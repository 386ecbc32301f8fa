// An echo through the switch, sent and received by code that is none of ours (raw-socket): from the
// host port to a station behind a tap, IPv4 and IPv6. Payload and checksum of every answer are
// verified, and none may be missing.

import '../../support/sandbox.ts';
import t from 'tap';
import { addNetns, ip, until } from '../../support/netns.ts';
import { internetChecksum, loadRawSocket, type RawSocket } from '../../support/raw-socket.ts';
import { startWeft, weftJson } from '../../support/weft-process.ts';

const COUNT = 50;
const IDENTIFIER = 0x77e7;
const HEADER_LEN = 8;
const [HOST_4, STATION_4] = ['10.9.0.1', '10.9.0.2'] as const;
const [HOST_6, STATION_6] = ['fd09::1', 'fd09::2'] as const;

const rawSocket = loadRawSocket();
if (rawSocket.module === undefined) throw new Error(rawSocket.reason);
const raw = rawSocket.module;

// Here, where they are never collected: a function that waits for such a socket does not keep it, and would go with it.
const socket4 = raw.createSocket({ protocol: raw.Protocol.ICMP, addressFamily: raw.AddressFamily.IPv4 });
const socket6 = raw.createSocket({ protocol: raw.Protocol.ICMPv6, addressFamily: raw.AddressFamily.IPv6 });

const station = addNetns('station');
const sw = await startWeft('--switch', 'br0', '--host', `h0,${HOST_4}/24`, '--port', `tap:t0,netns=${station}`);
ip(`addr add ${HOST_6}/64 dev h0 nodad`);
ip(`-n ${station} addr add ${STATION_4}/24 dev t0`);
ip(`-n ${station} addr add ${STATION_6}/64 dev t0 nodad`);
ip(`-n ${station} link set dev t0 up`);

/** An echo request of `type`, numbered, its payload as long and as odd as its number; the checksum is left to `finish`. */
function echoRequest(type: number, sequence: number): Buffer {
  const message = Buffer.alloc(HEADER_LEN + sequence * 28 + 1);
  message.writeUInt8(type, 0);
  message.writeUInt16BE(IDENTIFIER, 4);
  message.writeUInt16BE(sequence, 6);
  for (let i = HEADER_LEN; i < message.length; i++) message[i] = (i * 37 + sequence) & 0xff;
  return message;
}

/** Sends the requests one by one, each after the answer to the one before has come into `received`. */
async function probe(
  socket: RawSocket,
  address: string,
  requests: readonly Buffer[],
  received: readonly Buffer[],
): Promise<void> {
  for (const [k, request] of requests.entries()) {
    await new Promise<void>((resolve, reject) => {
      socket.send(request, 0, request.length, address, (error) => (error === null ? resolve() : reject(error)));
    });
    await until(`answer ${k + 1} of ${address}`, () => received.length > k);
  }
}

t.test('IPv4', async (t) => {
  const received: Buffer[] = [];
  socket4.on('message', (packet: Buffer, source: string) => {
    const message = packet.subarray((packet.readUInt8(0) & 15) * 4);
    if (source === STATION_4 && message.readUInt8(0) === 0) received.push(Buffer.from(message));
  });
  const requests = Array.from({ length: COUNT }, (_, k) => {
    const request = echoRequest(8, k + 1);
    request.writeUInt16BE(internetChecksum(raw, request), 2);
    return request;
  });
  await probe(socket4, STATION_4, requests, received);
  socket4.close();
  t.equal(received.length, COUNT, 'no answer is missing, none came twice');
  for (const [k, answer] of received.entries()) {
    t.equal(internetChecksum(raw, answer), 0, `checksum of answer ${k + 1}`);
    t.ok(answer.subarray(4).equals((requests[k] as Buffer).subarray(4)), 'identifier, number and payload came back');
  }
});

t.test('IPv6', async (t) => {
  const received: Buffer[] = [];
  socket6.on('message', (message: Buffer, source: string) => {
    if (source === STATION_6 && message.readUInt8(0) === 129) received.push(Buffer.from(message));
  });
  // The kernel finishes the checksum of what a raw ICMPv6 socket sends, and leaves it in what it receives [RFC 3542 3.1].
  const requests = Array.from({ length: COUNT }, (_, k) => echoRequest(128, k + 1));
  await probe(socket6, STATION_6, requests, received);
  socket6.close();
  t.equal(received.length, COUNT, 'no answer is missing, none came twice');
  for (const [k, answer] of received.entries()) {
    const pseudoHeader = Buffer.alloc(40);
    Buffer.from('fd090000000000000000000000000002fd090000000000000000000000000001', 'hex').copy(pseudoHeader);
    pseudoHeader.writeUInt32BE(answer.length, 32);
    pseudoHeader.writeUInt8(58, 39);
    t.equal(internetChecksum(raw, Buffer.concat([pseudoHeader, answer])), 0, `checksum of answer ${k + 1}`);
    t.ok(answer.subarray(4).equals((requests[k] as Buffer).subarray(4)), 'identifier, number and payload came back');
  }
});

t.test('every frame is accounted for, and it ends', async (t) => {
  t.same(weftJson('show').imbalances, []);
  for (const { ifname, rx_frames, tx_frames } of weftJson('ports')) {
    t.ok(rx_frames >= 2 * COUNT && tx_frames >= 2 * COUNT, `${ifname} carried them all`);
  }
  t.equal((await sw.end('SIGTERM')).status, 0);
});
