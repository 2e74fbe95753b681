/* SPDX-License-Identifier: MIT */
/* One user of a crowd: a process of its own uid, with connections of which some ask. */
#ifndef BENCH_USER_H
#define BENCH_USER_H

#include <stddef.h>
#include <stdint.h>

#include "step.h"

/* Requests of a connection in one round. */
#define MAX_COUNT 1000

struct options {
    const char *address;
    struct step step;
    size_t uid;
    size_t users;
    size_t connections;
    size_t active;
};

/* What all processes share: what the round is, and what came of it. */
struct shared {
    size_t count;
    uint64_t interval; /* nanoseconds */
    uint64_t times[];
};

/* Be the user of this number: connect, tell `parent` with a byte, and make a round for each byte that
 * comes from there, answered with one. Whatever fails ends the process. */
_Noreturn void be_user(const struct options *options, size_t user, struct shared *shared,
                       int parent);

#endif
