// Every size the relay fixes at start. Port numbers are 1-based as in a Port Identifier; 0 is
// never a port.

/** Highest port number, so also the number of ports a switch can have. */
export const PORT_NO_MAX = 2047;
/** 32-bit words of a set of ports. */
export const PORT_WORDS = 64;
/** Default size of the FDB in entries. */
export const FDB_SIZE_DEFAULT = 65_536;
/** Entries an FDB can have at the most. */
export const FDB_SIZE_MAX = 1_048_576;
/** Default ageing time in seconds [802.1D-2004 Table 7-5]. */
export const AGEING_TIME_DEFAULT_S = 300;
