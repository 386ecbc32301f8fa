/*
 * The limit of one system call a frame: two taps, and what is read from one is written to the other.
 * No learning, no look-up, no account. Same flags, header and offloads as weft's taps.
 *
 *   tap-loop IFNAME IFNAME
 *
 * Reads until there is nothing, 64 frames a turn, and then polls: the plainest loop that does not
 * spend a call on asking. Ends with its parent.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <unistd.h>

#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

enum { BATCH = 64, FRAME_ROOM = 12 + 65557 };

static int open_tap(const char *name)
{
    struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
    int header = 12;
    unsigned int base = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

    strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    if (fd < 0 || ioctl(fd, TUNSETIFF, &request) < 0 || ioctl(fd, TUNSETVNETHDRSZ, &header) < 0) {
        perror(name);
        exit(1);
    }
    if (ioctl(fd, TUNSETOFFLOAD, base | TUN_F_USO4 | TUN_F_USO6) < 0) ioctl(fd, TUNSETOFFLOAD, base);
    return fd;
}

static void move(int from, int to)
{
    static char frame[FRAME_ROOM];

    for (int n = 0; n < BATCH; n++) {
        ssize_t len = read(from, frame, sizeof frame);
        if (len < 0) return;
        if (write(to, frame, len) < 0 && errno != EIO) return;
    }
}

int main(int argc, char **argv)
{
    struct pollfd taps[2];

    if (argc != 3) {
        fprintf(stderr, "usage: tap-loop IFNAME IFNAME\n");
        return 2;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int k = 0; k < 2; k++) taps[k] = (struct pollfd){ .fd = open_tap(argv[1 + k]), .events = POLLIN };
    for (;;) {
        if (poll(taps, 2, -1) < 0) return 1;
        if (taps[0].revents) move(taps[0].fd, taps[1].fd);
        if (taps[1].revents) move(taps[1].fd, taps[0].fd);
    }
}
