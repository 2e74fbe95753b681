/* SPDX-License-Identifier: MIT */
/* The floor: a server that makes the system calls and decides nothing. It answers the bytes that
 * fdbrokerd would, which it has ready.
 *
 * usage: floor ADDRESS DIRECTORY
 *
 * The directory holds `data`, to open, and `stored`, which is held. LISTEN_FDS=1 is a listener at 3.
 * It says "ready" on standard output and ends with its parent. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "work.h"

#define EVENTS 64
#define READ_BYTES 16384

struct connection {
    int socket;
    struct ucred peer;
    size_t count;
    char bytes[READ_BYTES];
};

static int loop;

static _Noreturn void fail(const char *what)
{
    perror(what);
    exit(71);
}

static int listener_at(const char *address)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    size_t length = strlen(address);
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (listener < 0 || length == 0 || length >= sizeof name.sun_path)
        fail("socket");
    memcpy(name.sun_path, address, length);
    if (address[0] == '@')
        name.sun_path[0] = '\0';
    if (bind(listener, (const struct sockaddr *)&name,
             (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)) < 0 ||
        listen(listener, 4096) < 0)
        fail(address);
    return listener;
}

static void watch(int socket, void *about)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = about};

    if (epoll_ctl(loop, EPOLL_CTL_ADD, socket, &event) < 0)
        fail("epoll_ctl");
}

static void accept_from(int listener)
{
    struct connection *connection;
    socklen_t size = sizeof connection->peer;
    int socket = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (socket < 0) {
        if (errno != EAGAIN)
            fail("accept4");
        return;
    }
    connection = malloc(sizeof *connection);
    if (connection == NULL)
        fail("malloc");
    connection->socket = socket;
    connection->count = 0;
    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &connection->peer, &size) < 0)
        fail("SO_PEERCRED");
    watch(socket, connection);
}

static void end(struct connection *connection)
{
    close(connection->socket);
    free(connection);
}

/* Send with descriptors; tell whether the peer is still there. */
static int answer(int socket, const struct thing *thing)
{
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof thing->descriptors)];
    } control;
    size_t size = thing->count * sizeof thing->descriptors[0];
    struct iovec part = {.iov_base = (void *)(size_t)thing->reply, .iov_len = thing->reply_length};
    struct msghdr message = {
        .msg_iov = &part,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = CMSG_SPACE(size),
    };

    memset(&control, 0, sizeof control);
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN(size);
    memcpy(CMSG_DATA(&control.header), thing->descriptors, size);
    return sendmsg(socket, &message, MSG_NOSIGNAL) == (ssize_t)thing->reply_length;
}

static void serve(struct connection *connection)
{
    struct iovec part = {
        .iov_base = connection->bytes + connection->count,
        .iov_len = sizeof connection->bytes - connection->count,
    };
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    ssize_t count = recvmsg(connection->socket, &message, MSG_CMSG_CLOEXEC);
    char *call = connection->bytes, *stop;

    if (count < 0 && errno == EAGAIN)
        return;
    if (count <= 0) {
        end(connection);
        return;
    }
    connection->count += (size_t)count;
    while ((stop = memchr(call, 0, (size_t)(connection->bytes + connection->count - call)))) {
        struct thing thing;
        int sent;
        if (!work_do(call, (size_t)(stop - call), &thing)) {
            end(connection);
            return;
        }
        sent = answer(connection->socket, &thing);
        work_undo(&thing);
        if (!sent) {
            end(connection);
            return;
        }
        call = stop + 1;
    }
    connection->count -= (size_t)(call - connection->bytes);
    memmove(connection->bytes, call, connection->count);
}

int main(int count, char **words)
{
    static int listening;
    struct epoll_event events[EVENTS];

    if (count != 3) {
        fprintf(stderr, "usage: floor ADDRESS DIRECTORY\n");
        return 64;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGPIPE, SIG_IGN);
    work_begin(words[2]);
    loop = epoll_create1(EPOLL_CLOEXEC);
    listening = getenv("LISTEN_FDS") != NULL ? 3 : listener_at(words[1]);
    watch(listening, &listening);
    puts("ready");
    fflush(stdout);
    for (;;) {
        int ready = epoll_wait(loop, events, EVENTS, -1);
        if (ready < 0 && errno != EINTR)
            fail("epoll_wait");
        for (int i = 0; i < ready; i++) {
            if (events[i].data.ptr == &listening)
                accept_from(listening);
            else
                serve(events[i].data.ptr);
        }
    }
}
