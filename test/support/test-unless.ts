// Tests that need what may not be there. One that cannot run is counted as skipped, with the reason
// in its name; it is never among those that passed.

import test, { type ExecutionContext } from 'ava';

/** A body of a test. */
type Body = (t: ExecutionContext) => void | Promise<void>;

/** `test`; or, when `reason` says why it cannot run, what declares a test as skipped for that reason. */
export function testUnless(reason: string | undefined): (title: string, body: Body) => void {
  const declare = reason === undefined ? test : test.skip;
  return (title, body) => declare(reason === undefined ? title : `${title}: ${reason}`, body);
}
