/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "sure.h"

#define MAX_DESCRIPTORS 253

void stream_open(struct stream *stream, const char *address, enum dialect dialect)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    size_t length = strlen(address);
    socklen_t size;

    if (length == 0 || length >= sizeof name.sun_path) {
        fprintf(stderr, "client: not an address: %s\n", address);
        exit(64);
    }
    memcpy(name.sun_path, address, length);
    size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    if (address[0] == '@')
        name.sun_path[0] = '\0';
    else
        size++;
    stream->socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (stream->socket < 0)
        fail("socket");
    if (connect(stream->socket, (const struct sockaddr *)&name, size) < 0)
        fail("connect");
    stream->dialect = dialect;
    stream->count = 0;
    stream->received = 0;
    stream->kept = -1;
}

void stream_send(struct stream *stream, const void *bytes, size_t count, int descriptor)
{
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int))];
    } control;
    /* sendmsg(2) takes what it only reads without const. */
    struct iovec part = {.iov_base = (void *)(size_t)bytes, .iov_len = count};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

    if (descriptor >= 0) {
        memset(&control, 0, sizeof control);
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(sizeof descriptor);
        memcpy(CMSG_DATA(&control.header), &descriptor, sizeof descriptor);
        message.msg_control = &control;
        message.msg_controllen = sizeof control.room;
    }
    if (sendmsg(stream->socket, &message, MSG_NOSIGNAL) != (ssize_t)count)
        fail("sendmsg");
}

static void own(struct stream *stream, const struct cmsghdr *header, int keep)
{
    size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);

    for (size_t i = 0; i < count; i++) {
        int descriptor;
        memcpy(&descriptor, CMSG_DATA(header) + i * sizeof descriptor, sizeof descriptor);
        if (keep && stream->kept < 0)
            stream->kept = descriptor;
        else
            close(descriptor);
    }
    stream->received += (unsigned)count;
}

void stream_receive(struct stream *stream, int keep)
{
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof(int) * MAX_DESCRIPTORS)];
    } control;
    struct iovec part = {
        .iov_base = stream->bytes + stream->count,
        .iov_len = sizeof stream->bytes - stream->count,
    };
    struct msghdr message = {
        .msg_iov = &part,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = sizeof control.room,
    };
    ssize_t count = recvmsg(stream->socket, &message, MSG_CMSG_CLOEXEC);

    if (count < 0)
        fail("recvmsg");
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header != NULL;
         header = CMSG_NXTHDR(&message, header))
        if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS)
            own(stream, header, keep);
    if (count == 0 || (message.msg_flags & MSG_CTRUNC) != 0) {
        fprintf(stderr, "client: %s\n",
                count == 0 ? "the server has hung up" : "descriptors are missing");
        exit(65);
    }
    stream->count += (size_t)count;
}

size_t stream_next(struct stream *stream, unsigned char *frame)
{
    size_t length = frame_length(stream->dialect, stream->bytes, stream->count);

    if (length == 0) {
        if (stream->count == sizeof stream->bytes) {
            fprintf(stderr, "client: a reply of more than %d bytes\n", STREAM_BYTES);
            exit(65);
        }
        return 0;
    }
    if (frame_is_error(stream->dialect, stream->bytes, length)) {
        fprintf(stderr, "client: an error: %.*s\n", (int)length, (const char *)stream->bytes);
        exit(65);
    }
    if (frame != NULL)
        memcpy(frame, stream->bytes, length);
    stream->count -= length;
    memmove(stream->bytes, stream->bytes + length, stream->count);
    return length;
}

void stream_close(struct stream *stream)
{
    if (stream->kept >= 0)
        close(stream->kept);
    close(stream->socket);
    stream->socket = stream->kept = -1;
}
