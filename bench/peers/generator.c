/*
 * Sends frames on an interface as fast as it takes them, from and to a number of stations in turn.
 *
 *   generator IFNAME SIDE STATIONS FRAME_LEN [COUNT]
 *
 * Station n of side S is 52:54:00:SS:nn:nn; frames go from the stations of SIDE (0 or 1) to those of
 * the other. FRAME_LEN is without FCS. With COUNT it sends that many and ends, which teaches a
 * switch where the stations are; without, it goes on until it is killed, or its parent is.
 *
 * The frames are of an ethertype for local experiments (88-B5), so no stack answers them. What the
 * interface refuses is not sent again: delivery is counted at the receiver.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BATCH = 64, STATIONS_MAX = 65536, ETHERTYPE = 0x88b5 };

static void station(unsigned char *mac, int side, int n)
{
    const unsigned char octets[6] = { 0x52, 0x54, 0x00, side, n >> 8, n & 0xff };
    memcpy(mac, octets, sizeof octets);
}

int main(int argc, char **argv)
{
    if (argc < 5) {
        fprintf(stderr, "usage: generator IFNAME SIDE STATIONS FRAME_LEN [COUNT]\n");
        return 2;
    }
    int side = atoi(argv[2]), stations = atoi(argv[3]), len = atoi(argv[4]);
    long left = argc > 5 ? atol(argv[5]) : -1;
    if (stations < 1 || stations > STATIONS_MAX || len < 60 || len > 1514) return 2;
    prctl(PR_SET_PDEATHSIG, SIGKILL);

    unsigned char *frames = calloc(stations, len);
    struct iovec *pieces = calloc(stations, sizeof *pieces);
    struct mmsghdr *messages = calloc(stations + BATCH, sizeof *messages);
    for (int n = 0; n < stations; n++) {
        unsigned char *frame = frames + (size_t)n * len;
        station(frame, !side, n);
        station(frame + 6, side, n);
        frame[12] = ETHERTYPE >> 8;
        frame[13] = ETHERTYPE & 0xff;
        pieces[n] = (struct iovec){ frame, len };
    }
    for (int n = 0; n < stations + BATCH; n++) {
        messages[n].msg_hdr.msg_iov = &pieces[n % stations];
        messages[n].msg_hdr.msg_iovlen = 1;
    }

    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    struct sockaddr_ll address = { .sll_family = AF_PACKET, .sll_ifindex = if_nametoindex(argv[1]) };
    int on = 1;
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        perror(argv[1]);
        return 1;
    }
    setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof on);

    for (int at = 0; left != 0;) {
        int count = left > 0 && left < BATCH ? (int)left : BATCH;
        int sent = sendmmsg(fd, messages + at, count, 0);
        if (sent < 0 && errno != ENOBUFS && errno != EAGAIN) {
            perror("sendmmsg");
            return 1;
        }
        int done = sent > 0 ? sent : 1;
        at = (at + done) % stations;
        if (left > 0) left -= done;
    }
    return 0;
}
