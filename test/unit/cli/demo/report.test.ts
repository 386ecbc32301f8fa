// What the demo reads from ping and iperf3, and how it shows it.

import test from 'ava';
import { lostPairs, type PingJson, parsePing, renderMatrix } from '../../../../src/cli/demo/ping-matrix.ts';
import { lossSentence, renderInvitation } from '../../../../src/cli/demo/report.ts';
import { parseIperf, renderThroughput } from '../../../../src/cli/demo/throughput.ts';

const IPUTILS = `PING 10.76.24.11 (10.76.24.11) 56(84) bytes of data.
64 bytes from 10.76.24.11: icmp_seq=1 ttl=64 time=2.15 ms

--- 10.76.24.11 ping statistics ---
3 packets transmitted, 2 received, 33.3333% packet loss, time 405ms
rtt min/avg/max/mdev = 0.915/1.525/2.150/0.007 ms
`;
const BUSYBOX = `--- 10.76.24.12 ping statistics ---
3 packets transmitted, 3 packets received, 0% packet loss
round-trip min/avg/max = 0.553/0.659/1.669 ms
`;
const NOTHING = `--- 10.76.24.12 ping statistics ---
3 packets transmitted, 0 received, +3 errors, 100% packet loss, time 2031ms
`;

test('both ping programs are understood', (t) => {
  t.deepEqual(parsePing({ status: 0, output: IPUTILS }), { sent: 3, received: 2, rtt_ms: 0.915 });
  t.deepEqual(parsePing({ status: 0, output: BUSYBOX }), { sent: 3, received: 3, rtt_ms: 0.553 });
  t.deepEqual(parsePing({ status: 1, output: NOTHING }), { sent: 3, received: 0, rtt_ms: null });
  t.deepEqual(parsePing({ status: 2, output: 'ping: connect: Network is unreachable' }), { sent: 0, received: 0, rtt_ms: null });
});

function ping(from: string, to: string, received: number, rtt_ms: number | null): PingJson {
  return { from, to, sent: 3, received, rtt_ms };
}

const PINGS = [
  ping('host', 'pc', 3, 0.224),
  ping('host', 'vm1', 2, 12.5),
  ping('pc', 'host', 3, 0.1),
  ping('pc', 'vm1', 0, null),
  ping('vm1', 'host', 3, 1),
  ping('vm1', 'pc', 3, 1.2),
];

test('the matrix has a row for each sender and a dash on the diagonal', (t) => {
  t.is(
    renderMatrix(PINGS, false),
    [
      'FROM  TO host    TO pc             TO vm1',
      'host        -  0.22 ms  12.50 ms (1 lost)',
      'pc    0.10 ms        -               LOST',
      'vm1   1.00 ms  1.20 ms                  -',
    ].join('\n'),
  );
  t.deepEqual(lostPairs(PINGS), ['pc > vm1']);
});

test('what was lost is a sentence, with a guess when it is the host alone', (t) => {
  const network = { subnet: '10.76.0', host: 'demo-1', uplink: 'demo-1-up', netns: 'demo-1-pc' };
  t.is(lossSentence({ pings: PINGS, network }), '1 of 6 pairs did not reach each other: pc > vm1');
  t.is(lossSentence({ pings: PINGS.filter(({ received }) => received > 0), network }), undefined);
  const deaf = [ping('host', 'vm1', 3, 1), ping('vm1', 'host', 0, null)];
  t.is(
    lossSentence({ pings: deaf, network }),
    '1 of 2 pairs did not reach each other: vm1 > host; all with the host, so look whether its firewall lets ICMP through on demo-1',
  );
});

test('iperf3: a result, and what went wrong in its own words', (t) => {
  const end = { sum_sent: { retransmits: 5 }, sum_received: { seconds: 2.04, bytes: 1000, bits_per_second: 286e6 } };
  const result = { seconds: 2.04, bits_per_s: 286e6, retransmits: 5 };
  t.deepEqual(parseIperf(JSON.stringify({ end })), result);
  t.is(
    renderThroughput([{ from: 'vm1', to: 'vm2', ...result }], false),
    'FROM  TO          TCP  RETRANSMITS  SECONDS\nvm1   vm2  286 Mbit/s            5      2.0',
  );
  t.is(parseIperf(JSON.stringify({ end: {}, error: 'unable to connect' })), 'unable to connect');
  t.is(parseIperf(JSON.stringify({ end: { sum_received: { seconds: 2, bytes: 0, bits_per_second: 0 } } })), 'nothing arrived');
  t.is(parseIperf('sh: iperf3: not found\n'), 'sh: iperf3: not found');
  t.is(parseIperf(''), 'iperf3 printed nothing');
});

test('the invitation names only what is there', (t) => {
  const guests = [
    { name: 'vm1', address: '10.76.0.11' },
    { name: 'vm2', address: '10.76.0.12' },
  ];
  const rootless = renderInvitation({ weft: 'weft', logDir: '/run/x', network: null, guests });
  t.regex(rootless, /^ {2}weft stats {2,}\S/m);
  t.regex(rootless, /^ {2}tail -f \/run\/x\/vm1\.log/m);
  t.notRegex(rootless, /10\.76/);
  const network = { subnet: '10.76.0', host: 'demo-1', uplink: 'demo-1-up', netns: 'demo-1-pc' };
  const text = renderInvitation({ weft: 'npx weft', logDir: '/run/x', network, guests });
  t.regex(text, /^ {2}ip netns exec demo-1-pc iperf3 -c 10\.76\.0\.12 {2,}\S/m);
});
