// ../switch/witness.test.ts once more, with what takes over where io_uring is refused.

import '../../support/with-epoll.ts';
import '../switch/witness.test.ts';
