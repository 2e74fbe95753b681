/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "user.h"

#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "stream.h"
#include "sure.h"
#include "times.h"

#define EVENTS 64

struct line {
    struct stream *stream;
    uint64_t *times;
    size_t index; /* among all that ask */
    uint64_t due;
    uint64_t first;
    uint64_t owed; /* requests that are due and not sent */
    size_t sent;
    size_t answered;
    int timer;
    bool under_way;
};

/* What epoll tells of: a line's socket or its timer. */
struct source {
    struct line *line;
    bool is_timer;
};

static void become(size_t id)
{
    expect(setgroups(0, NULL) == 0, "setgroups");
    expect(setresgid((gid_t)id, (gid_t)id, (gid_t)id) == 0, "setresgid");
    expect(setresuid((uid_t)id, (uid_t)id, (uid_t)id) == 0, "setresuid");
    /* A change of ids clears it (PR_SET_PDEATHSIG(2const)). */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static void ask(struct line *line, const struct options *options, uint64_t due)
{
    line->due = due;
    line->sent++;
    line->under_way = true;
    stream_send(line->stream, options->step.bytes, options->step.count, -1);
}

static void ask_if_due(struct line *line, const struct options *options,
                       const struct shared *shared)
{
    if (line->under_way || line->sent == shared->count)
        return;
    if (shared->interval == 0) {
        ask(line, options, now());
    } else if (line->owed > 0) {
        line->owed--;
        ask(line, options, line->first + line->sent * shared->interval);
    }
}

static void ring(struct line *line)
{
    uint64_t expirations;

    if (read(line->timer, &expirations, sizeof expirations) == sizeof expirations)
        line->owed += expirations;
    else
        expect(errno == EAGAIN, "read");
}

/* Receive; whether an answer was among it. */
static bool hear(struct line *line)
{
    stream_receive(line->stream, 0);
    if (stream_next(line->stream, NULL) == 0)
        return false;
    line->times[line->answered++] = now() - line->due;
    line->under_way = false;
    return true;
}

static void wind(struct line *line, uint64_t at, uint64_t interval)
{
    struct itimerspec when = {
        .it_value = {(time_t)(at / 1000000000), (long)(at % 1000000000)},
        .it_interval = {(time_t)(interval / 1000000000), (long)(interval % 1000000000)},
    };

    expect(timerfd_settime(line->timer, TFD_TIMER_ABSTIME, &when, NULL) == 0, "timerfd_settime");
}

static void begin(struct line *line, const struct options *options, const struct shared *shared)
{
    line->sent = line->answered = 0;
    line->owed = 0;
    /* Not all of them at the same moment. */
    line->first = now() + shared->interval * line->index / (options->users * options->active);
    if (shared->interval > 0)
        wind(line, line->first, shared->interval);
    ask_if_due(line, options, shared);
}

static void make_round(struct line *lines, const struct options *options,
                       const struct shared *shared, int epoll)
{
    struct epoll_event events[EVENTS];
    size_t unanswered = options->active * shared->count;
    unsigned received = 0, before = 0;

    for (size_t i = 0; i < options->active; i++) {
        before += lines[i].stream->received;
        begin(&lines[i], options, shared);
    }
    while (unanswered > 0) {
        int ready = epoll_wait(epoll, events, EVENTS, -1);
        expect(ready >= 0, "epoll_wait");
        for (int i = 0; i < ready; i++) {
            const struct source *source = events[i].data.ptr;
            if (source->is_timer)
                ring(source->line);
            else
                unanswered -= hear(source->line);
            ask_if_due(source->line, options, shared);
        }
    }
    for (size_t i = 0; i < options->active; i++) {
        received += lines[i].stream->received;
        wind(&lines[i], 0, 0);
    }
    if (received - before != options->active * shared->count * options->step.descriptors) {
        fprintf(stderr, "crowd: descriptors are missing\n");
        exit(65);
    }
}

static void listen_to(int epoll, struct line *line, bool is_timer)
{
    struct source *source = zeroed(1, sizeof *source);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = source};
    int descriptor = is_timer ? line->timer : line->stream->socket;

    *source = (struct source){line, is_timer};
    expect(epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event) == 0, "epoll_ctl");
}

/* Open all connections, last those that ask: what is answered on them was accepted after all. */
static struct line *connect_all(const struct options *options, size_t user, struct shared *shared,
                                int epoll)
{
    struct stream *streams = zeroed(options->connections, sizeof *streams);
    struct line *lines = zeroed(options->active, sizeof *lines);
    size_t idle = options->connections - options->active;

    for (size_t i = 0; i < options->connections; i++)
        stream_open(&streams[i], options->address, VARLINK);
    for (size_t i = 0; i < options->active; i++) {
        struct line *line = &lines[i];
        line->index = user * options->active + i;
        line->stream = &streams[idle + i];
        line->times = shared->times + line->index * MAX_COUNT;
        line->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
        expect(line->timer >= 0, "timerfd_create");
        step_run(&options->step, line->stream, -1);
        listen_to(epoll, line, false);
        listen_to(epoll, line, true);
    }
    return lines;
}

void be_user(const struct options *options, size_t user, struct shared *shared, int parent)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct line *lines;
    char word = 0;

    expect(epoll >= 0, "epoll_create1");
    become(options->uid + user);
    lines = connect_all(options, user, shared, epoll);
    expect(write(parent, &word, 1) == 1, "write");
    while (read(parent, &word, 1) == 1) {
        make_round(lines, options, shared, epoll);
        expect(write(parent, &word, 1) == 1, "write");
    }
    exit(0);
}
