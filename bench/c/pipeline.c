/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "pipeline.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "sure.h"

#define EVENTS 64

struct run {
    const struct step *step;
    struct times *times;
    unsigned char *copies; /* the request, as often as it may be under way */
    size_t depth;
    size_t unsent;
    size_t unanswered;
};

struct line {
    struct stream *stream;
    uint64_t *sent; /* when each of those under way was sent, in a ring */
    size_t first;
    size_t under_way;
};

static void ask(struct run *run, struct line *line, size_t count)
{
    uint64_t time = now();

    if (count > run->unsent)
        count = run->unsent;
    if (count == 0)
        return;
    for (size_t i = 0; i < count; i++)
        line->sent[(line->first + line->under_way++) % run->depth] = time;
    run->unsent -= count;
    stream_send(line->stream, run->copies, count * run->step->count, -1);
}

static void hear(struct run *run, struct line *line)
{
    size_t replies = 0;

    stream_receive(line->stream, 0);
    while (stream_next(line->stream, NULL) != 0) {
        replies++;
        if (run->times != NULL)
            times_add(run->times, now() - line->sent[line->first]);
        line->first = (line->first + 1) % run->depth;
        line->under_way--;
        run->unanswered--;
    }
    ask(run, line, replies);
}

static void repeat(struct run *run)
{
    size_t length = run->step->count;

    run->copies = malloc(length * run->depth);
    if (run->copies == NULL)
        fail("malloc");
    for (size_t i = 0; i < run->depth; i++)
        memcpy(run->copies + i * length, run->step->bytes, length);
}

static struct line *lines_of(struct stream *streams, size_t connections, size_t depth, int epoll)
{
    struct line *lines = zeroed(connections, sizeof *lines);

    for (size_t i = 0; i < connections; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &lines[i]};
        lines[i].stream = &streams[i];
        lines[i].sent = zeroed(depth, sizeof *lines[i].sent);
        expect(epoll_ctl(epoll, EPOLL_CTL_ADD, streams[i].socket, &event) == 0, "epoll_ctl");
    }
    return lines;
}

static unsigned received(const struct stream *streams, size_t connections)
{
    unsigned sum = 0;

    for (size_t i = 0; i < connections; i++)
        sum += streams[i].received;
    return sum;
}

void pipeline(struct stream *streams, size_t connections, const struct step *step, size_t depth,
              size_t count, struct times *times)
{
    struct run run = {step, times, NULL, depth, count, count};
    struct epoll_event events[EVENTS];
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct line *lines = lines_of(streams, connections, depth, epoll);
    unsigned before = received(streams, connections);

    repeat(&run);
    for (size_t i = 0; i < connections; i++)
        ask(&run, &lines[i], depth);
    while (run.unanswered > 0) {
        int ready = epoll_wait(epoll, events, EVENTS, -1);
        if (ready < 0)
            fail("epoll_wait");
        for (int i = 0; i < ready; i++)
            hear(&run, events[i].data.ptr);
    }
    if (received(streams, connections) - before != count * step->descriptors) {
        fprintf(stderr, "client: descriptors are missing\n");
        exit(65);
    }
    for (size_t i = 0; i < connections; i++)
        free(lines[i].sent);
    free(lines);
    free(run.copies);
    close(epoll);
}
