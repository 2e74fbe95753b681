/* SPDX-License-Identifier: MIT
 *
 * ptyget: gets a pseudo-terminal pair from fdbrokerd and prints what is written to the slave.
 * A complete client in plain C (and C++), without a library: what it says to the broker, and how it
 * reads the reply, is in fdbroker.h.
 *
 * Compile:            gcc -std=gnu11 -Wall -Wextra -o ptyget examples/ptyget.c
 * In one terminal:    ./ptyget             (no daemon yet?  fdbrokerd --run -- ./ptyget)
 * In another one:     echo hello > /dev/pts/N      with the N that ptyget printed
 *
 * Usage: ptyget [-n COUNT] [ADDRESS]. Runs until a signal ends it, or for COUNT messages. ADDRESS
 * is a path or @NAME (abstract); else $FDBROKER_SOCKET, else the broker's usual ones. The exit
 * status is one of <sysexits.h>, the same that every client of fdbrokerd uses. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* struct ucred, MSG_CMSG_CLOEXEC, ptsname_r */
#endif
#define PROGRAM "ptyget"
#include "fdbroker.h"

/* ---- The terminal */

static void print_pair(int master, int slave) {
    char name[64];
    const int failure = ptsname_r(master, name, sizeof name); /* asks the kernel, by TIOCGPTN */
    if (failure) die(EX_DATAERR, "the descriptor named master is none: %s", strerror(failure));
    if (!isatty(slave)) die(EX_DATAERR, "the descriptor named slave is none: %s", strerror(errno));
    printf("Get a pty pair, FD -- master[%d] slave[%d]\nSlave name is:%s\n", master, slave, name);
    write_out();
}

/* A terminal is a stream too: what is written quickly in a row may arrive as one message. */
static void print_message(int master) {
    char text[4096];
    ssize_t n;
    do n = read(master, text, sizeof text);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EIO) die(EX_OSERR, "the terminal was hung up"); /* revoked, most likely */
    if (n <= 0) die(EX_OSERR, "cannot read the master: %s", n ? strerror(errno) : "end of file");
    fputs("Message from slave:\n", stdout);
    fwrite(text, 1, (size_t)n, stdout); /* not %s: it may hold NULs */
    printf("%s------%zd bytes------\n", text[n - 1] == '\n' ? "" : "\n", n);
    write_out();
}

static long parse_count(const char *text) {
    char *end;
    errno = 0;
    const long count = strtol(text, &end, 10);
    if (errno || end == text || *end || count < 1)
        die(EX_USAGE, "-n %s: not a number from 1 up", text);
    return count;
}

int main(int argc, char **argv) {
    static const char *const names[] = {"master", "slave"};
    long count = 0; /* 0: no end */
    int option, pair[2];
    while ((option = getopt(argc, argv, "n:")) != -1) {
        if (option != 'n') die(EX_USAGE, "usage: ptyget [-n COUNT] [ADDRESS]");
        count = parse_count(optarg);
    }
    if (argc - optind > 1) die(EX_USAGE, "usage: ptyget [-n COUNT] [ADDRESS]");
    get_descriptors(argv[optind], FDBROKER_GET("pty"), names, 2, pair); /* argv ends in NULL */
    print_pair(pair[0], pair[1]);
    /* The slave stays open: with none open anywhere, reading the master fails with EIO. SIGINT and
     * SIGTERM simply end us: all is flushed already, and the kernel closes the rest. */
    for (long seen = 0; count == 0 || seen < count; seen++) print_message(pair[0]);
    return EX_OK;
}
