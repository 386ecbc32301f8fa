// What a virtio-net header says about a frame, in one vocabulary for every port.

/** Offload work a frame still needs, as bits of `need`. An egress port's capability mask uses the same bits. */
export const NEED = {
  /** The TCP or UDP checksum at csumStart + csumOffset is still to be finished. */
  CSUM: 1,
  /** A TCP over IPv4 super-segment of gsoSize payload octets a segment. */
  TSO4: 2,
  TSO6: 4,
  /** A UDP super-datagram to be cut into datagrams (not IP fragments) of gsoSize. */
  USO: 8,
  /** The TCP super-segment carries CWR, which only the first segment may keep. */
  ECN: 16,
  /** The checksum must be finished by us whatever the egress can do (DHCP clients read raw sockets). In no capability mask. */
  FINISH: 128,
} as const;
