/* SPDX-License-Identifier: MIT */
/* One exchange of a request, as the command line says it: KIND:FRAMES:DESCRIPTORS:BODY.
 *
 *     t   text, sent with a NUL; $T in it is the transaction that the last reply named
 *     x   bytes in hexadecimal
 *     X   the same, with a descriptor attached
 *     d   a byte with a descriptor, to the socket that the last reply brought
 *
 * FRAMES come back, and DESCRIPTORS with them. */
#ifndef BENCH_STEP_H
#define BENCH_STEP_H

#include <stdbool.h>
#include <stddef.h>

#include "stream.h"

struct step {
    char kind;
    unsigned frames;
    unsigned descriptors;
    bool names_transaction;
    bool keeps; /* the first descriptor of the reply is for the next step */
    unsigned char *bytes;
    size_t count;
};

/* Read one step. Ends the program for nonsense. */
void step_parse(struct step *step, const char *text);

/* Do it, with `descriptor` where one is to be attached. */
void step_run(const struct step *step, struct stream *stream, int descriptor);

#endif
