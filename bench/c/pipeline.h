/* SPDX-License-Identifier: MIT */
/* Several requests under way on each of several connections. */
#ifndef BENCH_PIPELINE_H
#define BENCH_PIPELINE_H

#include <stddef.h>

#include "step.h"
#include "stream.h"
#include "times.h"

/* Make `count` requests in all, at most `depth` under way on each connection. A request's time,
 * from its sending to its reply, goes to `times` where that is not NULL. */
void pipeline(struct stream *streams, size_t connections, const struct step *step, size_t depth,
              size_t count, struct times *times);

#endif
