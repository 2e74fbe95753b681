/* SPDX-License-Identifier: MIT */
/* What the floor opens, and the bytes that go with it. */
#ifndef BENCH_WORK_H
#define BENCH_WORK_H

#include <stdbool.h>
#include <stddef.h>

struct thing {
    const char *reply;
    size_t reply_length; /* with its NUL */
    int descriptors[2];
    size_t count;
    bool held; /* not ours to close after the reply */
};

/* Open what is held. Ends the program if it cannot. */
void work_begin(const char *directory);

/* Do what a call asks for; false for something else, or where it could not be done. */
bool work_do(const char *call, size_t length, struct thing *thing);

/* Close what was opened. */
void work_undo(const struct thing *thing);

#endif
