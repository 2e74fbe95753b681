/* SPDX-License-Identifier: MIT */
#include "dialect.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* skalibs' unixmessage: how many bytes, how many descriptors, both big-endian. */
#define S6_HEADER 6
/* seatd's struct proto_header: what it is, how many bytes follow. */
#define SEATD_HEADER 4
#define SEATD_ERROR 0xffff

enum dialect dialect_named(const char *name)
{
    if (strcmp(name, "varlink") == 0)
        return VARLINK;
    if (strcmp(name, "s6") == 0)
        return S6;
    if (strcmp(name, "seatd") == 0)
        return SEATD;
    fprintf(stderr, "client: no such dialect: %s\n", name);
    exit(64);
}

static size_t s6_length(const unsigned char *bytes)
{
    uint32_t length = (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 |
                      (uint32_t)bytes[2] << 8 | (uint32_t)bytes[3];
    return S6_HEADER + (size_t)length;
}

static uint16_t seatd_field(const unsigned char *bytes, size_t at)
{
    uint16_t value;
    memcpy(&value, bytes + at, sizeof value);
    return value;
}

size_t frame_length(enum dialect dialect, const unsigned char *bytes, size_t count)
{
    size_t length = 0;
    const unsigned char *end;

    switch (dialect) {
    case VARLINK:
        end = count == 0 ? NULL : memchr(bytes, 0, count);
        return end == NULL ? 0 : (size_t)(end - bytes) + 1;
    case S6:
        if (count >= S6_HEADER)
            length = s6_length(bytes);
        break;
    case SEATD:
        if (count >= SEATD_HEADER)
            length = SEATD_HEADER + (size_t)seatd_field(bytes, 2);
        break;
    }
    return length <= count ? length : 0;
}

bool frame_is_error(enum dialect dialect, const unsigned char *frame, size_t length)
{
    static const char beginning[] = "{\"error\"";

    switch (dialect) {
    case VARLINK:
        return length < sizeof beginning ||
               memcmp(frame, beginning, sizeof beginning - 1) == 0;
    case S6:
        return length <= S6_HEADER || frame[S6_HEADER] != 0;
    case SEATD:
        return seatd_field(frame, 0) == SEATD_ERROR;
    }
    return true;
}
