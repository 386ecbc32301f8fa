// Imported before a system test: every switch in it, and every port, runs on epoll.

process.env['WEFT_IO'] = 'epoll';
