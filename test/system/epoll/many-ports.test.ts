// ../switch/many-ports.test.ts once more, with what takes over where io_uring is refused.

import '../../support/with-epoll.ts';
import '../switch/many-ports.test.ts';
