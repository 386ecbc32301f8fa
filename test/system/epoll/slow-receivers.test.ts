// ../switch/slow-receivers.test.ts once more, with what takes over where io_uring is refused.

import '../../support/with-epoll.ts';
import '../switch/slow-receivers.test.ts';
