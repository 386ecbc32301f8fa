// What the ports of a test share, as a worker has it.

import { resolveIo } from '../../src/control/config-options.ts';
import { BACKEND_SIZE, openBackend } from '../../src/loop/backend.ts';
import { PORT_RESOURCES_SIZE, portResources } from '../../src/ports/open-port.ts';
import type { PortResources } from '../../src/ports/port-resources.ts';
import { Arena } from '../../src/sys/arena.ts';

/** Resources over the back end that WEFT_IO names; they last as long as the process. */
export function testResources(): PortResources {
  const arena = new Arena(BACKEND_SIZE + PORT_RESOURCES_SIZE);
  return portResources(arena, openBackend(resolveIo(undefined), arena).ring);
}
