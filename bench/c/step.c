/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "step.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sure.h"

static const char KEY[] = "\"transaction\":\"";

/* The last reply, where the next step may have to look into it. */
static unsigned char reply[STREAM_BYTES];
static size_t reply_length;

static _Noreturn void nonsense(const char *text)
{
    fprintf(stderr, "client: not a step: %s\n", text);
    exit(64);
}

static void unhex(struct step *step, const char *text)
{
    size_t digits = strlen(text);

    step->count = digits / 2;
    for (size_t i = 0; i < step->count; i++) {
        unsigned value;
        if (sscanf(text + 2 * i, "%2x", &value) != 1)
            nonsense(text);
        step->bytes[i] = (unsigned char)value;
    }
}

void step_parse(struct step *step, const char *text)
{
    int body = 0;

    if (sscanf(text, "%c:%u:%u:%n", &step->kind, &step->frames, &step->descriptors, &body) != 3 ||
        body == 0 || strchr("txXd", step->kind) == NULL)
        nonsense(text);
    text += body;
    step->count = strlen(text) + 1;
    step->bytes = malloc(step->count);
    if (step->bytes == NULL)
        fail("malloc");
    memcpy(step->bytes, text, step->count);
    step->names_transaction = step->kind == 't' && strstr(text, "$T") != NULL;
    step->keeps = false;
    if (step->kind == 'x' || step->kind == 'X')
        unhex(step, text);
}

static void send_with_transaction(const struct step *step, struct stream *stream)
{
    static unsigned char message[STREAM_BYTES + 4096];
    const char *text = (const char *)step->bytes;
    const char *place = strstr(text, "$T");
    const unsigned char *name = memmem(reply, reply_length, KEY, strlen(KEY));
    const unsigned char *end;
    int length;

    if (place == NULL || name == NULL)
        nonsense(text);
    name += strlen(KEY);
    end = memchr(name, '"', reply_length - (size_t)(name - reply));
    if (end == NULL)
        nonsense(text);
    length = snprintf((char *)message, sizeof message, "%.*s%.*s%s", (int)(place - text), text,
                      (int)(end - name), (const char *)name, place + 2);
    stream_send(stream, message, (size_t)length + 1, -1);
}

static void deposit(struct stream *stream, int descriptor)
{
    struct stream way = {.socket = stream->kept, .kept = -1};

    stream_send(&way, "", 1, descriptor);
    close(stream->kept);
    stream->kept = -1;
}

void step_run(const struct step *step, struct stream *stream, int descriptor)
{
    unsigned before = stream->received;

    if (step->kind == 'd') {
        deposit(stream, descriptor);
        return;
    }
    if (step->names_transaction)
        send_with_transaction(step, stream);
    else
        stream_send(stream, step->bytes, step->count, step->kind == 'X' ? descriptor : -1);
    for (unsigned frames = 0; frames < step->frames;) {
        size_t length = stream_next(stream, reply);
        if (length == 0) {
            stream_receive(stream, step->keeps);
            continue;
        }
        reply_length = length;
        frames++;
    }
    if (stream->received - before != step->descriptors) {
        fprintf(stderr, "client: %u descriptors, not %u\n", stream->received - before,
                step->descriptors);
        exit(65);
    }
}
