/* SPDX-License-Identifier: MIT */
/* Many users at once: a process for each of so many uids, with connections of which some ask.
 *
 * usage: crowd [OPTION...] ADDRESS STEP      (step.h says what a step is; dialect varlink)
 *
 *   -u UID, -U COUNT   the first uid, and how many; each is its group's number, too
 *   -c COUNT, -a COUNT connections of each uid, and how many of them ask, one request at a time
 *
 * It says "ready" when all connections are open and all that ask were answered once, then makes a
 * round for each line of its input, and prints what came of it. A line is
 *
 *     COUNT MICROSECONDS
 *
 * the requests of each connection that asks, and how often one is due; 0: when the last one is
 * answered. A request's time is from when it was due, also where it could not be sent yet: otherwise
 * a server that stands still would be asked less, and look well. Needs CAP_SETUID and CAP_SETGID. */
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sure.h"
#include "times.h"
#include "user.h"

#define PATIENCE_SECONDS 120

static void await_all(const int *users, size_t count)
{
    char word;

    for (size_t i = 0; i < count; i++) {
        if (read(users[i], &word, 1) != 1) {
            fprintf(stderr, "crowd: a user has ended\n");
            exit(70);
        }
    }
}

static void lead_round(const struct options *options, const int *users,
                       const struct shared *shared)
{
    size_t lines = options->users * options->active;
    struct times times = {0};
    uint64_t begun, ended;

    times_begin(&times, lines * shared->count);
    begun = times.begun;
    for (size_t i = 0; i < options->users; i++)
        expect(write(users[i], "", 1) == 1, "write");
    await_all(users, options->users);
    ended = now();
    for (size_t i = 0; i < lines; i++)
        for (size_t j = 0; j < shared->count; j++)
            times_add(&times, shared->times[i * MAX_COUNT + j]);
    times.begun = begun;
    times.ended = ended; /* by the slowest of them */
    times_print(&times);
    fflush(stdout);
}

static void parse(struct options *options, int count, char **words)
{
    int letter;

    while ((letter = getopt(count, words, "u:U:c:a:")) != -1) {
        switch (letter) {
        case 'u': options->uid = number(optarg); break;
        case 'U': options->users = number(optarg); break;
        case 'c': options->connections = number(optarg); break;
        case 'a': options->active = number(optarg); break;
        default: exit(64);
        }
    }
    if (count - optind != 2 || options->uid == 0 || options->users == 0 || options->active == 0 ||
        options->active > options->connections) {
        fprintf(stderr, "crowd: users, connections, an address and a step\n");
        exit(64);
    }
    options->address = words[optind];
    step_parse(&options->step, words[optind + 1]);
}

/* Fork the users, and return our ends of what joins each to us. */
static int *users_of(const struct options *options, struct shared *shared)
{
    int *users = zeroed(options->users, sizeof *users);

    for (size_t i = 0; i < options->users; i++) {
        int pair[2];
        expect(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0, "socketpair");
        switch (fork()) {
        case -1: fail("fork");
        case 0:
            /* Ours of the others would keep them waiting when we have ended. */
            for (size_t j = 0; j < i; j++)
                close(users[j]);
            close(pair[0]);
            be_user(options, i, shared, pair[1]);
        default: close(pair[1]);
        }
        users[i] = pair[0];
    }
    return users;
}

int main(int count, char **words)
{
    static struct options options = {.users = 1, .connections = 1, .active = 1};
    struct shared *shared;
    size_t size, microseconds;
    char line[64];
    int *users;

    parse(&options, count, words);
    /* What else the machine does is not to be waited for; where we may not, it is. */
    sched_setscheduler(0, SCHED_RR, &(struct sched_param){.sched_priority = 1});
    size = sizeof *shared + options.users * options.active * MAX_COUNT * sizeof shared->times[0];
    shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    expect(shared != MAP_FAILED, "mmap");
    users = users_of(&options, shared);
    alarm(PATIENCE_SECONDS);
    await_all(users, options.users);
    printf("ready\n");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin) != NULL) {
        /* A server that says nothing must not hold up whoever started us. */
        alarm(PATIENCE_SECONDS);
        if (sscanf(line, "%zu %zu", &shared->count, &microseconds) != 2 || shared->count == 0 ||
            shared->count > MAX_COUNT) {
            fprintf(stderr, "crowd: not a round: %s", line);
            return 64;
        }
        shared->interval = microseconds * 1000;
        lead_round(&options, users, shared);
    }
    return 0;
}
