/* SPDX-License-Identifier: MIT */
/* What holds, or ends the program. */
#ifndef BENCH_SURE_H
#define BENCH_SURE_H

#include <stdbool.h>
#include <stddef.h>

/* Say what failed, with errno, and end the program. */
_Noreturn void fail(const char *what);

/* Fail unless this holds. */
void expect(bool holds, const char *what);

/* Return memory for so many, zeroed. */
void *zeroed(size_t count, size_t size);

/* Return the number that a word of the command line is. */
size_t number(const char *text);

#endif
