/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "work.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <termios.h>
#include <unistd.h>

#define ONE(resource, kind, name)                                                                  \
    "{\"parameters\":{\"grant\":\"\",\"resource\":\"" resource "\",\"kind\":\"" kind "\","         \
    "\"descriptors\":[{\"name\":\"" name "\",\"fileDescriptor\":0}],\"properties\":{},"            \
    "\"revocable\":false}}"

static const char STORED[] = ONE("store/one", "store", "fd");
static const char DATA[] = ONE("file", "file", "file");
static const char MEMFD[] = ONE("memfd", "memfd", "memfd");
static const char PTY[] =
    "{\"parameters\":{\"grant\":\"\",\"resource\":\"pty\",\"kind\":\"pty\",\"descriptors\":"
    "[{\"name\":\"master\",\"fileDescriptor\":0},{\"name\":\"slave\",\"fileDescriptor\":1}],"
    "\"properties\":{\"path\":\"/dev/pts/0\"},\"revocable\":false}}";

static int directory, stored;

void work_begin(const char *path)
{
    directory = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    stored = openat(directory, "stored", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (directory < 0 || stored < 0) {
        perror(path);
        exit(71);
    }
}

static bool open_pty(struct thing *thing)
{
    int unlocked = 0, master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);

    thing->descriptors[0] = master;
    if (master < 0)
        return false;
    if (ioctl(master, TIOCSPTLCK, &unlocked) == 0)
        thing->descriptors[1] = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    return thing->descriptors[1] >= 0;
}

static bool asks_for(const char *call, size_t length, const char *resource)
{
    return memmem(call, length, resource, strlen(resource)) != NULL;
}

static void describe(struct thing *thing, const char *reply, size_t size)
{
    thing->reply = reply;
    thing->reply_length = size;
}

bool work_do(const char *call, size_t length, struct thing *thing)
{
    *thing = (struct thing){.descriptors = {-1, -1}, .count = 1};
    if (asks_for(call, length, "\"store/one\"")) {
        describe(thing, STORED, sizeof STORED);
        thing->descriptors[0] = stored;
        thing->held = true;
    } else if (asks_for(call, length, "\"file\"")) {
        describe(thing, DATA, sizeof DATA);
        thing->descriptors[0] = openat(directory, "data", O_RDONLY | O_NOCTTY | O_CLOEXEC);
    } else if (asks_for(call, length, "\"memfd\"")) {
        describe(thing, MEMFD, sizeof MEMFD);
        thing->descriptors[0] = memfd_create("floor", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    } else if (asks_for(call, length, "\"pty\"")) {
        describe(thing, PTY, sizeof PTY);
        thing->count = 2;
        return open_pty(thing);
    }
    return thing->descriptors[0] >= 0;
}

void work_undo(const struct thing *thing)
{
    for (size_t i = 0; i < thing->count && !thing->held; i++)
        close(thing->descriptors[i]);
}
