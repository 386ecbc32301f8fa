// Frames as octets for system tests, written out by hand: nothing here shares code with src/wire.

/** A frame from hexadecimal text; spaces are for the reader. */
export function hex(...text: string[]): Buffer {
  return Buffer.from(text.join('').replaceAll(' ', ''), 'hex');
}

/** A frame of `len` octets from `src` to `dst` (12 hexadecimal digits each) with the local experimental EtherType 88B5 and `fill` as payload. */
export function testFrame(dst: string, src: string, len = 60, fill = 0x5a): Buffer {
  const frame = Buffer.alloc(len, fill);
  hex(dst, src, '88b5').copy(frame);
  return frame;
}
