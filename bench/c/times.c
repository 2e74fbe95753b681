/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "times.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

uint64_t now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

void times_begin(struct times *times, size_t room)
{
    times->each = calloc(room, sizeof *times->each);
    if (times->each == NULL) {
        perror("calloc");
        exit(71);
    }
    times->room = room;
    times->count = 0;
    times->begun = now();
}

void times_add(struct times *times, uint64_t nanoseconds)
{
    if (times->count < times->room)
        times->each[times->count++] = nanoseconds;
    times->ended = now();
}

static int compare(const void *one, const void *other)
{
    uint64_t a = *(const uint64_t *)one, b = *(const uint64_t *)other;

    return (a > b) - (a < b);
}

static uint64_t quantile(const struct times *times, size_t per_thousand)
{
    return times->each[(times->count - 1) * per_thousand / 1000];
}

void times_print(struct times *times)
{
    if (times->count == 0) {
        fprintf(stderr, "nothing was measured\n");
        exit(70);
    }
    qsort(times->each, times->count, sizeof *times->each, compare);
    printf("{\"count\": %zu, \"elapsed\": %" PRIu64 ", \"least\": %" PRIu64 ", \"median\": %" PRIu64
           ", \"p99\": %" PRIu64 ", \"most\": %" PRIu64 "}\n",
           times->count, times->ended - times->begun, quantile(times, 0), quantile(times, 500),
           quantile(times, 990), quantile(times, 1000));
    free(times->each);
}
