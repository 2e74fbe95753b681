/* SPDX-License-Identifier: MIT */
/* How long each request took, by CLOCK_MONOTONIC. */
#ifndef BENCH_TIMES_H
#define BENCH_TIMES_H

#include <stddef.h>
#include <stdint.h>

struct times {
    uint64_t *each;
    size_t count;
    size_t room;
    uint64_t begun;
    uint64_t ended;
};

uint64_t now(void);

void times_begin(struct times *times, size_t room);
void times_add(struct times *times, uint64_t nanoseconds);

/* Write one line of JSON, in nanoseconds. */
void times_print(struct times *times);

#endif
