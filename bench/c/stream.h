/* SPDX-License-Identifier: MIT */
/* A connection to a server: bytes and descriptors out, frames in. */
#ifndef BENCH_STREAM_H
#define BENCH_STREAM_H

#include <stddef.h>

#include "dialect.h"

#define STREAM_BYTES 65536

struct stream {
    int socket;
    enum dialect dialect;
    size_t count;                       /* bytes in the buffer */
    unsigned received;                  /* descriptors, ever */
    int kept;                           /* the first descriptor of the last receive, or -1 */
    unsigned char bytes[STREAM_BYTES];  /* what has arrived and was not taken */
};

/* Connect to @NAME or a path. Whatever fails ends the program. */
void stream_open(struct stream *stream, const char *address, enum dialect dialect);

/* Send bytes, with a descriptor unless it is -1. */
void stream_send(struct stream *stream, const void *bytes, size_t count, int descriptor);

/* Receive once, waiting. Descriptors are counted and closed, but for one if `keep` says so. */
void stream_receive(struct stream *stream, int keep);

/* Take the first frame and return its length, 0 where none is whole. Its bytes are copied to
 * `frame` where that is not NULL, cut off at STREAM_BYTES. An error ends the program. */
size_t stream_next(struct stream *stream, unsigned char *frame);

void stream_close(struct stream *stream);

#endif
