// ../ports/tcp.test.ts once more, with what takes over where io_uring is refused.

import '../../support/with-epoll.ts';
import '../ports/tcp.test.ts';
