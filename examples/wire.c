/* SPDX-License-Identifier: MIT
 *
 * wire: a client of fdbrokerd in forty lines of C, to show what is on the wire. It copies what it gets
 * to standard output. For a program of your own take fdbroker.h, which also reads the reply.
 *
 *     gcc -std=gnu11 -Wall -Wextra -o wire examples/wire.c
 *     fdbrokerd --run -- sh -c 'fdbroker-put store/note <README.md && ./wire store/note' */
#define _GNU_SOURCE
#include <err.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

int main(int argc, char **argv) {
    const char *address = getenv("FDBROKER_SOCKET") ? getenv("FDBROKER_SOCKET") : "@fdbrokerd";
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    struct ucred server;
    char call[512], reply[65536], copied[4096];
    union { struct cmsghdr head; char room[CMSG_SPACE(253 * sizeof(int))]; } control;
    int got = -1, connection = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    size_t used = 0, length = strlen(address);
    if (argc != 2 || strpbrk(argv[1], "\"\\") || strlen(argv[1]) > 256 || length >= sizeof to.sun_path)
        errx(EX_USAGE, "usage: wire RESOURCE[/ITEM]");
    memcpy(to.sun_path, address, length);
    if (*address == '@') to.sun_path[0] = 0; /* abstract: a NUL, the name, and not one byte more */
    if (connect(connection, (void *)&to, offsetof(struct sockaddr_un, sun_path) + length))
        err(EX_UNAVAILABLE, "%s", address);
    /* Anybody may bind an abstract name that is free: say nothing to whom we do not believe. */
    if (getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &server, &(socklen_t){sizeof server}) ||
        (server.uid != 0 && server.uid != geteuid()))
        errx(EX_UNAVAILABLE, "%s: not a broker to believe", address);
    int n = snprintf(call, sizeof call, "{\"method\":\"io.fdbroker.Broker.Get\","
                     "\"parameters\":{\"resource\":\"%s\"}}", argv[1]) + 1; /* with its NUL */
    if (send(connection, call, (size_t)n, MSG_NOSIGNAL) != n) err(EX_UNAVAILABLE, "send");
    do { /* the reply ends with a NUL, and may come in pieces */
        struct iovec into = {reply + used, sizeof reply - used};
        struct msghdr message = {.msg_iov = &into, .msg_iovlen = 1, .msg_control = &control,
                                 .msg_controllen = sizeof control};
        ssize_t size = recvmsg(connection, &message, MSG_CMSG_CLOEXEC);
        if (size <= 0 || message.msg_flags & MSG_CTRUNC) errx(EX_DATAERR, "no whole reply");
        used += (size_t)size;
        for (struct cmsghdr *one = CMSG_FIRSTHDR(&message); one; one = CMSG_NXTHDR(&message, one))
            if (one->cmsg_level == SOL_SOCKET && one->cmsg_type == SCM_RIGHTS)
                memcpy(&got, CMSG_DATA(one), sizeof got); /* the first one; exit closes the others */
    } while (reply[used - 1] && used < sizeof reply);
    fprintf(stderr, "%.*s\n", (int)used, reply);
    if (got < 0) return EX_NOPERM; /* the reply says why: an error never has descriptors */
    /* Not its position, which everybody shares who has it: from its beginning. */
    for (off_t at = 0; (n = (int)pread(got, copied, sizeof copied, at)) > 0; at += n)
        if (write(1, copied, (size_t)n) != n) err(EX_OSERR, "write");
    return n < 0 ? EX_OSERR : EX_OK;
}
