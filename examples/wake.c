/* SPDX-License-Identifier: MIT
 *
 * wake: one process wakes another, in plain C (and C++). Both get the same eventfd from fdbrokerd
 * because they ask for it by the same name; the first who asks has it made.
 *
 * Compile:            gcc -std=gnu11 -Wall -Wextra -o wake examples/wake.c
 * In one terminal:    ./wake wait
 * In another one:     ./wake signal
 * Without a daemon:   fdbrokerd --run -- sh -c './wake wait & ./wake signal; wait'
 *
 * Usage: wake wait|signal [ADDRESS]. A signal is kept until somebody waits for it: it does not
 * matter who comes first. ADDRESS and the exit status are as ptyget.c says. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* struct ucred, MSG_CMSG_CLOEXEC */
#endif
#define PROGRAM "wake"
#include "fdbroker.h"
#include <inttypes.h>
#include <poll.h>

/* What a broker calls an eventfd need not be one, and eight bytes written to a file would spoil it.
 * The kernel says what it is; readlink ends nothing with a NUL. */
static void check_eventfd(int descriptor) {
    static const char wanted[] = "anon_inode:[eventfd]";
    char path[64], target[sizeof wanted];
    snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
    const ssize_t length = readlink(path, target, sizeof target);
    if (length < 0) die(EX_OSERR, "%s: %s", path, strerror(errno));
    if ((size_t)length != sizeof wanted - 1 || memcmp(target, wanted, sizeof wanted - 1) != 0)
        die(EX_DATAERR, "the descriptor named eventfd is none");
}

/* Returns how often it was signalled since somebody last read it; that is 0 again now. */
static uint64_t wait_for(int eventfd) {
    struct pollfd waited;
    waited.fd = eventfd;
    waited.events = POLLIN;
    for (;;) {
        uint64_t count;
        waited.revents = 0;
        if (poll(&waited, 1, -1) < 0) {
            if (errno == EINTR) continue;
            die(EX_OSERR, "poll: %s", strerror(errno));
        }
        if (read(eventfd, &count, sizeof count) == (ssize_t)sizeof count) return count;
        /* EAGAIN: another process that waits too was faster, and whoever has an eventfd can make it
         * non-blocking for all. */
        if (errno != EINTR && errno != EAGAIN) die(EX_OSERR, "read: %s", strerror(errno));
    }
}

static void signal_to(int eventfd) {
    const uint64_t once = 1;
    while (write(eventfd, &once, sizeof once) < 0)
        if (errno != EINTR) die(EX_OSERR, "write: %s", strerror(errno));
}

int main(int argc, char **argv) {
    static const char *const names[] = {"eventfd"};
    int eventfd;
    const bool waits = argc > 1 && strcmp(argv[1], "wait") == 0;
    if (argc < 2 || argc > 3 || (!waits && strcmp(argv[1], "signal") != 0))
        die(EX_USAGE, "usage: wake wait|signal [ADDRESS]");
    get_descriptors(argv[2], FDBROKER_GET("eventfd/wake"), names, 1, &eventfd); /* NULL ends argv */
    check_eventfd(eventfd);
    if (waits) {
        puts("waiting for eventfd/wake");
        write_out();
        printf("woken: signalled %" PRIu64 " times\n", wait_for(eventfd));
    } else {
        signal_to(eventfd);
        puts("signalled eventfd/wake");
    }
    write_out();
    return EX_OK;
}
