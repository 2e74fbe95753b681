/* SPDX-License-Identifier: MIT */
/* The one client of every server, so that its own cost is the same for all.
 *
 * usage: client [OPTION...] ADDRESS STEP...      (step.h says what a step is)
 *
 *   -p DIALECT   varlink, s6 or seatd
 *   -m MODE      one        request and reply in turn, on one connection
 *                each       a connection for each request, closed after it
 *                pipelined  several requests under way on each of several connections
 *   -s STEP      done first on each connection, and not measured
 *   -n COUNT, -w COUNT       requests that are measured, and before that some that are not
 *   -c COUNT, -q COUNT       connections, and requests under way on each, of `pipelined`
 *   -k CPU       stay on that processor
 *
 * Whatever goes wrong ends it with a status other than 0 and nothing on standard output. */
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pipeline.h"
#include "step.h"
#include "stream.h"
#include "sure.h"
#include "times.h"

#define MAX_STEPS 8
#define PATIENCE_SECONDS 120

struct options {
    const char *address;
    const char *mode;
    enum dialect dialect;
    struct step setup;
    struct step steps[MAX_STEPS];
    size_t step_count;
    size_t count;
    size_t warm;
    size_t connections;
    size_t depth;
    int descriptor;
};

static void connect_to(struct stream *stream, const struct options *options)
{
    stream_open(stream, options->address, options->dialect);
    if (options->setup.kind != 0)
        step_run(&options->setup, stream, -1);
}

static void request(struct stream *stream, const struct options *options)
{
    for (size_t i = 0; i < options->step_count; i++)
        step_run(&options->steps[i], stream, options->descriptor);
}

static void one(const struct options *options, struct times *times)
{
    static struct stream stream;

    connect_to(&stream, options);
    for (size_t i = 0; i < options->warm; i++)
        request(&stream, options);
    times_begin(times, options->count);
    for (size_t i = 0; i < options->count; i++) {
        uint64_t begun = now();
        request(&stream, options);
        times_add(times, now() - begun);
    }
    stream_close(&stream);
}

static void each(const struct options *options, struct times *times)
{
    static struct stream stream;

    for (size_t i = 0; i < options->warm + options->count; i++) {
        uint64_t begun;
        if (i == options->warm)
            times_begin(times, options->count);
        begun = now();
        connect_to(&stream, options);
        request(&stream, options);
        stream_close(&stream);
        if (i >= options->warm)
            times_add(times, now() - begun);
    }
}

static void pipelined(const struct options *options, struct times *times)
{
    struct stream *streams = zeroed(options->connections, sizeof *streams);

    if (options->step_count != 1 || options->steps[0].names_transaction) {
        fprintf(stderr, "client: only one simple step can be pipelined\n");
        exit(64);
    }
    for (size_t i = 0; i < options->connections; i++)
        connect_to(&streams[i], options);
    pipeline(streams, options->connections, &options->steps[0], options->depth, options->warm,
             NULL);
    times_begin(times, options->count);
    pipeline(streams, options->connections, &options->steps[0], options->depth, options->count,
             times);
    for (size_t i = 0; i < options->connections; i++)
        stream_close(&streams[i]);
    free(streams);
}

static void stay_on(size_t cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set) < 0)
        fail("sched_setaffinity");
}

static void parse(struct options *options, int count, char **words)
{
    int letter;

    while ((letter = getopt(count, words, "p:m:s:n:w:c:q:k:")) != -1) {
        switch (letter) {
        case 'p': options->dialect = dialect_named(optarg); break;
        case 'm': options->mode = optarg; break;
        case 's': step_parse(&options->setup, optarg); break;
        case 'n': options->count = number(optarg); break;
        case 'w': options->warm = number(optarg); break;
        case 'c': options->connections = number(optarg); break;
        case 'q': options->depth = number(optarg); break;
        case 'k': stay_on(number(optarg)); break;
        default: exit(64);
        }
    }
    if (count - optind < 2 || count - optind - 1 > MAX_STEPS || options->count == 0) {
        fprintf(stderr, "client: an address and 1 to %d steps\n", MAX_STEPS);
        exit(64);
    }
    options->address = words[optind++];
    for (; optind < count; optind++)
        step_parse(&options->steps[options->step_count++], words[optind]);
    for (size_t i = 1; i < options->step_count; i++)
        options->steps[i - 1].keeps = options->steps[i].kind == 'd';
}

int main(int count, char **words)
{
    static struct options options = {
        .mode = "one", .count = 1, .connections = 1, .depth = 1,
    };
    struct times times = {0};

    /* A server that says nothing must not hold up whoever started us. */
    alarm(PATIENCE_SECONDS);
    parse(&options, count, words);
    options.descriptor = memfd_create("bench", MFD_CLOEXEC);
    if (options.descriptor < 0)
        fail("memfd_create");
    if (strcmp(options.mode, "one") == 0)
        one(&options, &times);
    else if (strcmp(options.mode, "each") == 0)
        each(&options, &times);
    else
        pipelined(&options, &times);
    times_print(&times);
    return 0;
}
