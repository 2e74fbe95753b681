/* SPDX-License-Identifier: MIT */
#include "sure.h"

#include <stdio.h>
#include <stdlib.h>

void fail(const char *what)
{
    perror(what);
    exit(71);
}

void expect(bool holds, const char *what)
{
    if (!holds)
        fail(what);
}

void *zeroed(size_t count, size_t size)
{
    void *memory = calloc(count, size);

    expect(memory != NULL, "calloc");
    return memory;
}

size_t number(const char *text)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);

    if (*text == '\0' || *end != '\0') {
        fprintf(stderr, "not a number: %s\n", text);
        exit(64);
    }
    return value;
}
