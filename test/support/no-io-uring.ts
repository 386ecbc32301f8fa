// Loaded before a program (`node --import`): it runs where io_uring is not permitted.

import { ERRNO } from '../../src/sys/errno.ts';
import { refuse, SETUP } from './refuse-io-uring.ts';

refuse(SETUP, ERRNO.EPERM);
