/* SPDX-License-Identifier: MIT */
/* How a server's replies are cut into frames, and how a frame says that it is an error. */
#ifndef BENCH_DIALECT_H
#define BENCH_DIALECT_H

#include <stdbool.h>
#include <stddef.h>

enum dialect { VARLINK, S6, SEATD };

/* The dialect of a name. Ends the program for one that is unknown. */
enum dialect dialect_named(const char *name);

/* The length of the frame that the bytes begin with, 0 where it has not wholly arrived. */
size_t frame_length(enum dialect dialect, const unsigned char *bytes, size_t count);

/* Whether a whole frame is an error. */
bool frame_is_error(enum dialect dialect, const unsigned char *frame, size_t length);

#endif
