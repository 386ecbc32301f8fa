// A Memory is a range of octets that frames live in: the receive arena, a test's buffer, later a
// window on a guest's RAM. Frames name a memory, an offset and a length; nobody makes a view per
// frame. Offsets stay below 2^31, because V8 is slow above.

/** A range of octets with the two views the data path reads it through. */
export interface Memory {
  readonly u8: Uint8Array;
  readonly view: DataView;
  /** Native address of octet 0, for system calls; 0 where no system call may reach it (tests, simulation). */
  readonly address: number;
}

/** Wraps `buffer` as a Memory; `address` is its native address, or 0. */
export function memoryOf(buffer: ArrayBuffer, address = 0): Memory {
  return { u8: new Uint8Array(buffer), view: new DataView(buffer), address };
}
