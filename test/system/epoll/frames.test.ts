// ../ports/frames.test.ts once more, with what takes over where io_uring is refused.

import '../../support/with-epoll.ts';
import '../ports/frames.test.ts';
