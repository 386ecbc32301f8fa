// The only reader of time on the way to the bridge.

/** Monotonic milliseconds, with a fraction; zero is some time in the past and the same in every thread. */
export function nowMs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1000 + nanoseconds / 1e6;
}
