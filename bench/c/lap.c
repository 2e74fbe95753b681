/* SPDX-License-Identifier: MIT */
/* How long programs take: from exec to exit, or to READY=1.
 *
 * usage: lap [-k CPU] ROUNDS [ready] COMMAND... [+ [ready] COMMAND...]...
 *
 * In each round each command runs once, in turn. One that is said to be `ready` is given a
 * NOTIFY_SOCKET, measured until it says so, and then ended. One line for each run: the command's
 * index, nanoseconds of the clock, microseconds of the processor with its children, exit status. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "times.h"

#define MAX_COMMANDS 16
#define PATIENCE_MILLISECONDS 20000

static _Noreturn void fail(const char *what)
{
    perror(what);
    exit(71);
}

/* Bind a socket for notifications and name it in the environment. */
static int notifications(void)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int ears = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int length = snprintf(name.sun_path + 1, sizeof name.sun_path - 1, "fdbroker-bench-%d-lap",
                          (int)getpid());

    if (ears < 0 || bind(ears, (struct sockaddr *)&name,
                         (socklen_t)offsetof(struct sockaddr_un, sun_path) + 1 +
                             (socklen_t)length) < 0)
        fail("NOTIFY_SOCKET");
    name.sun_path[0] = '@';
    setenv("NOTIFY_SOCKET", name.sun_path, 1);
    return ears;
}

static pid_t start(char **command)
{
    pid_t self = getpid(), pid = fork();

    if (pid < 0)
        fail("fork");
    if (pid > 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != self)
        _exit(127);
    dup2(open("/dev/null", O_RDWR | O_CLOEXEC), 1);
    execvp(command[0], command);
    perror(command[0]);
    _exit(127);
}

/* Wait until it is ready; the number of the descriptor that says that it has ended goes too. */
static void await_ready(int ears, pid_t pid)
{
    int end = pidfd_open(pid, 0);
    struct pollfd both[2] = {{ears, POLLIN, 0}, {end, POLLIN, 0}};
    char text[4096];

    for (;;) {
        ssize_t count;
        if (poll(both, 2, PATIENCE_MILLISECONDS) <= 0 || both[1].revents != 0) {
            fprintf(stderr, "lap: it does not get ready\n");
            kill(pid, SIGKILL);
            exit(70);
        }
        count = recv(ears, text, sizeof text - 1, 0);
        text[count < 0 ? 0 : count] = '\0';
        if (strstr(text, "READY=1") != NULL)
            break;
    }
    close(end);
}

static void lap(int index, char **command)
{
    int ears = strcmp(command[0], "ready") == 0 ? notifications() : -1;
    uint64_t begun = now(), elapsed = 0;
    struct rusage usage;
    char text[64];
    int status;
    pid_t pid = start(command + (ears >= 0));

    if (ears >= 0) {
        await_ready(ears, pid);
        elapsed = now() - begun;
        kill(pid, SIGTERM);
    }
    if (wait4(pid, &status, 0, &usage) < 0)
        fail("wait4");
    if (ears < 0)
        elapsed = now() - begun;
    while (ears >= 0 && recv(ears, text, sizeof text, 0) >= 0)
        ;
    if (ears >= 0)
        close(ears);
    unsetenv("NOTIFY_SOCKET");
    printf("%d %llu %lld %d\n", index, (unsigned long long)elapsed,
           (long long)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
               usage.ru_utime.tv_usec + usage.ru_stime.tv_usec,
           WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    fflush(stdout);
}

int main(int count, char **words)
{
    char **commands[MAX_COMMANDS];
    int found = 0, rounds, at = 1;

    if (count > 3 && strcmp(words[1], "-k") == 0) {
        cpu_set_t set;
        CPU_ZERO(&set);
        CPU_SET((size_t)atoi(words[2]), &set);
        if (sched_setaffinity(0, sizeof set, &set) < 0)
            fail("sched_setaffinity");
        at = 3;
    }
    rounds = at < count ? atoi(words[at++]) : 0;
    for (int begin = at; at <= count && found < MAX_COMMANDS; at++) {
        if (at < count && strcmp(words[at], "+") != 0)
            continue;
        if (begin < at)
            commands[found++] = words + begin;
        words[at] = NULL;
        begin = at + 1;
    }
    if (rounds < 1 || found == 0) {
        fprintf(stderr, "usage: lap [-k CPU] ROUNDS COMMAND... [+ COMMAND...]...\n");
        return 64;
    }
    for (int round = 0; round < rounds; round++)
        for (int i = 0; i < found; i++)
            lap(i, commands[i]);
    return 0;
}
