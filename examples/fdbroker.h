/* SPDX-License-Identifier: MIT
 *
 * Gets descriptors from fdbrokerd in plain C (and C++): one Varlink call, one reply, no library.
 * For programs of one source file: all of it is static, and what goes wrong ends the program with
 * a status of <sysexits.h>, the same that every client of fdbrokerd uses.
 *
 *     #define PROGRAM "wake"
 *     #include "fdbroker.h"
 *     ...
 *     static const char *const names[] = {"eventfd"};
 *     int eventfd;
 *     get_descriptors(NULL, FDBROKER_GET("eventfd/wake"), names, 1, &eventfd);
 */
#ifndef FDBROKER_H
#define FDBROKER_H
#ifndef _GNU_SOURCE
#error "define _GNU_SOURCE before the first #include: struct ucred and MSG_CMSG_CLOEXEC need it"
#endif
#ifndef PROGRAM
#error "define PROGRAM before this: the name that its messages begin with"
#endif
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

#ifndef TIMEOUT_SECONDS
#define TIMEOUT_SECONDS 10 /* for connecting, for sending, and for each piece of the reply */
#endif
enum { MAX_DESCRIPTORS = 253 /* the kernel's SCM_MAX_FD */, MAX_REPLY = 65536, MAX_DEPTH = 16 };

/* The call that gets a resource; the name is a literal, and needs no escapes in JSON. */
#define FDBROKER_GET(resource) \
    "{\"method\":\"io.fdbroker.Broker.Get\",\"parameters\":{\"resource\":\"" resource "\"}}"

struct reply {
    char text[MAX_REPLY];
    size_t used;
    int descriptors[MAX_DESCRIPTORS];
    size_t count;
    bool truncated; /* the kernel dropped some: our limit of open files, or a security module */
};

/* Ends the program, and so closes every descriptor that it holds. */
__attribute__((noreturn, format(printf, 2, 3)))
static void die(int status, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fputs(PROGRAM ": ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(status);
}

static void write_out(void) { /* at once: whoever reads us, through a pipe too, is waiting for it */
    if (fflush(stdout) != 0 || ferror(stdout)) die(EX_OSERR, "cannot write: %s", strerror(errno));
}

/* ---- JSON: a cursor over text that a NUL ends. No token holds a NUL, so none runs past it. */

static bool json_take(const char **at, char wanted) {
    *at += strspn(*at, " \t\r\n");
    if (**at != wanted) return false;
    ++*at;
    return true;
}

/* Reads what follows a backslash. The names that matter here are ASCII, so anything else that is
 * written as \uXXXX becomes a '?', which matches no name. */
static bool json_escape(const char **at, char *byte) {
    static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    const char letter = **at, *known = letter ? strchr(letters, letter) : NULL;
    if (!letter) return false;
    ++*at;
    if (known) {
        *byte = meanings[known - letters];
        return true;
    }
    unsigned code = 0;
    for (int i = 0; i < 4; i++, ++*at) {
        static const char digits[] = "0123456789abcdef";
        const char *digit = **at ? strchr(digits, tolower((unsigned char)**at)) : NULL;
        if (letter != 'u' || !digit) return false;
        code = code * 16 + (unsigned)(digit - digits);
    }
    *byte = code < 0x80 ? (char)code : '?';
    return code != 0; /* the broker sends no U+0000, and "master\0x" must not pass for "master" */
}

/* Reads a string into buffer, NUL-ended and cut to its size (0: it is only stepped over). */
static bool json_string(const char **at, char *buffer, size_t size) {
    size_t used = 0;
    if (!json_take(at, '"')) return false;
    while (**at != '"') {
        char byte = **at;
        if ((unsigned char)byte < 0x20) return false; /* a control character, or the text's end */
        ++*at;
        if (byte == '\\' && !json_escape(at, &byte)) return false;
        if (used + 1 < size) buffer[used++] = byte;
    }
    ++*at;
    if (size > 0) buffer[used] = '\0';
    return true;
}

static bool json_digits(const char **at) {
    size_t length = strspn(*at, "0123456789");
    *at += length;
    return length > 0;
}

static bool json_number(const char **at) {
    if (**at == '-') ++*at;
    if (**at == '0') ++*at; /* no digit may follow a leading zero */
    else if (!json_digits(at)) return false;
    if (**at == '.') {
        ++*at;
        if (!json_digits(at)) return false;
    }
    if (**at != 'e' && **at != 'E') return true;
    ++*at;
    if (**at == '+' || **at == '-') ++*at;
    return json_digits(at);
}

/* Steps over one value; false where it is not JSON, or deeper than we care to follow. */
static bool json_skip(const char **at, int depth) {
    static const char *const words[] = {"true", "false", "null"};
    bool object = json_take(at, '{');
    if (object || json_take(at, '[')) {
        const char closing = object ? '}' : ']';
        if (depth == 0) return false;
        if (json_take(at, closing)) return true;
        do {
            if (object && (!json_string(at, NULL, 0) || !json_take(at, ':'))) return false;
            if (!json_skip(at, depth - 1)) return false;
        } while (json_take(at, ','));
        return json_take(at, closing);
    }
    if (**at == '"') return json_string(at, NULL, 0);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t length = strlen(words[i]);
        if (strncmp(*at, words[i], length) == 0) {
            *at += length;
            return true;
        }
    }
    return json_number(at);
}

/* The value of an object's member, or NULL. From here on the text is known to be well formed. */
static const char *json_member(const char *object, const char *name) {
    const char *found = NULL;
    char key[64];
    if (!object || !json_take(&object, '{') || json_take(&object, '}')) return NULL;
    do {
        if (!json_string(&object, key, sizeof key) || !json_take(&object, ':')) return NULL;
        if (strcmp(key, name) == 0) found = object; /* of duplicates the last counts */
        if (!json_skip(&object, MAX_DEPTH)) return NULL;
    } while (json_take(&object, ','));
    return found;
}

static bool json_text(const char *value, char *buffer, size_t size) {
    return value && json_string(&value, buffer, size);
}

/* A whole number from 0 up, or -1: 1.5, 1e3, "1" and a missing value are none. */
static long json_index(const char *value) {
    if (!value) return -1;
    value += strspn(value, " \t\r\n");
    if (!isdigit((unsigned char)*value)) return -1;
    char *end;
    long number = strtol(value, &end, 10); /* a huge one becomes LONG_MAX: out of every range */
    return *end == '.' || *end == 'e' || *end == 'E' ? -1 : number;
}

/* ---- The broker */

/* Connects blocking, as a non-blocking connect fails as soon as the backlog is full; SO_SNDTIMEO,
 * set before, bounds the wait. Returns -1 with errno. */
static int try_connect(const char *address) {
    struct sockaddr_un name;
    const size_t length = strlen(address);
    const bool is_abstract = address[0] == '@';
    if (length < (is_abstract ? 2 : 1) || length + !is_abstract > sizeof name.sun_path)
        die(EX_USAGE, "%s: an address is @NAME or a path, of at most %zu bytes", address,
            sizeof name.sun_path - 1);
    memset(&name, 0, sizeof name);
    name.sun_family = AF_UNIX;
    memcpy(name.sun_path, address, length);
    if (is_abstract) name.sun_path[0] = '\0'; /* the NUL takes the place of the @ */
    /* In an abstract name every byte counts: sizeof name would ask for a name that ends in NULs. A
     * path's one NUL takes a byte more. */
    const size_t size = offsetof(struct sockaddr_un, sun_path) + length + !is_abstract;

    struct timeval patience;
    patience.tv_sec = TIMEOUT_SECONDS;
    patience.tv_usec = 0;
    int connection = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connection < 0 ||
        setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) < 0 ||
        setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) < 0)
        die(EX_OSERR, "socket: %s", strerror(errno));
    int result;
    do result = connect(connection, (const struct sockaddr *)&name, (socklen_t)size);
    while (result < 0 && errno == EINTR); /* with a timeout set, even SIGSTOP causes it */
    if (result == 0) return connection;
    const int reason = errno;
    close(connection);
    errno = reason;
    return -1;
}

/* At an address, at $FDBROKER_SOCKET, or where the broker usually is. */
static int connect_to_broker(const char *address) {
    const char *variable = getenv("FDBROKER_SOCKET");
    if (!address && variable && *variable) address = variable;
    int connection = try_connect(address ? address : "/run/fdbrokerd/io.fdbroker");
    if (connection < 0 && !address) connection = try_connect(address = "@fdbrokerd");
    if (connection < 0)
        die(EX_UNAVAILABLE, "cannot reach the broker at %s: %s", address, strerror(errno));
    return connection;
}

/* Anyone may bind an abstract name first, so look before speaking. The kernel noted these
 * credentials when the server called listen(): for a socket that systemd made they are systemd's,
 * whoever accepts. */
static void check_server(int connection) {
    struct ucred server;
    socklen_t size = sizeof server;
    if (getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &server, &size) < 0)
        die(EX_OSERR, "SO_PEERCRED: %s", strerror(errno));
    if (server.uid != 0 && server.uid != geteuid())
        die(EX_UNAVAILABLE, "refusing the broker: it runs as uid %lu, not as root or uid %lu",
            (unsigned long)server.uid, (unsigned long)geteuid());
}

static void send_call(int connection, const char *call) {
    const size_t size = strlen(call) + 1; /* its closing NUL is what ends a Varlink message */
    for (size_t sent = 0; sent < size;) {
        ssize_t n = send(connection, call + sent, size - sent, MSG_NOSIGNAL);
        if (n >= 0) sent += (size_t)n;
        else if (errno != EINTR) die(EX_UNAVAILABLE, "cannot send: %s", strerror(errno));
    }
}

/* Owns the descriptors of one recvmsg: ours from that call on, whatever we think of the message. */
static void keep_descriptors(struct reply *reply, struct msghdr *message) {
    for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part; part = CMSG_NXTHDR(message, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
        const size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int descriptor; /* copied, as CMSG_DATA promises no alignment */
            memcpy(&descriptor, CMSG_DATA(part) + i * sizeof descriptor, sizeof descriptor);
            if (reply->count < MAX_DESCRIPTORS) {
                reply->descriptors[reply->count++] = descriptor;
            } else {
                close(descriptor);
                reply->truncated = true;
            }
        }
    }
    if (message->msg_flags & MSG_CTRUNC) reply->truncated = true;
}

/* One recvmsg, appended to the reply. MSG_CMSG_CLOEXEC: with fcntl afterwards, another thread's
 * fork and exec could come between. */
static void receive_piece(int connection, struct reply *reply) {
    union {
        struct cmsghdr alignment;
        char bytes[CMSG_SPACE(MAX_DESCRIPTORS * sizeof(int))];
    } control;
    struct iovec data;
    struct msghdr message;
    ssize_t n;
    do {
        memset(&message, 0, sizeof message);
        data.iov_base = reply->text + reply->used;
        data.iov_len = sizeof reply->text - reply->used;
        message.msg_iov = &data;
        message.msg_iovlen = 1;
        message.msg_control = &control;
        message.msg_controllen = sizeof control;
        n = recvmsg(connection, &message, MSG_CMSG_CLOEXEC);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        die(EX_TEMPFAIL, "the broker did not answer within %d s", TIMEOUT_SECONDS);
    if (n < 0) die(EX_UNAVAILABLE, "cannot receive from the broker: %s", strerror(errno));
    keep_descriptors(reply, &message);
    if (n == 0 && reply->used > 0) die(EX_DATAERR, "the broker hung up in the middle of its reply");
    if (n == 0) /* as it does on a writer whose real uid is not the one that connected */
        die(EX_UNAVAILABLE, "the broker hung up without a reply%s",
            getuid() != geteuid() ? " (does this program run set-user-ID?)" : "");
    reply->used += (size_t)n;
}

/* A stream keeps no boundaries: a reply may come in pieces, glued to the next one, and with its
 * descriptors on any piece. We made one call, so there is one reply and all descriptors are its. */
static void receive_reply(int connection, struct reply *reply) {
    const char *end;
    do {
        if (reply->used == sizeof reply->text)
            die(EX_DATAERR, "the reply is longer than %d bytes", MAX_REPLY);
        receive_piece(connection, reply);
        end = (const char *)memchr(reply->text, '\0', reply->used);
    } while (!end);
    if (end != reply->text + reply->used - 1)
        die(EX_DATAERR, "the broker sent more than one reply");
    const char *at = reply->text, *first = at;
    if (!json_take(&first, '{') || !json_skip(&at, MAX_DEPTH) || !json_take(&at, '\0'))
        die(EX_DATAERR, "the reply is not a JSON object");
}

/* ---- What it said */

static int status_of(const char *error) {
    static const struct {
        const char *name;
        int status;
    } known[] = {
        {"Denied", EX_NOPERM}, {"Busy", EX_TEMPFAIL}, {"LimitReached", EX_TEMPFAIL},
        {"Unavailable", EX_TEMPFAIL}, {"TimedOut", EX_TEMPFAIL}, {"NoSuchItem", EX_NOINPUT},
        {"InvalidArgument", EX_USAGE}, {"OpenFailed", EX_OSERR}};
    static const char prefix[] = "io.fdbroker.Broker.";
    if (strncmp(error, prefix, sizeof prefix - 1) != 0) return EX_DATAERR;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(error + sizeof prefix - 1, known[i].name) == 0) return known[i].status;
    return EX_DATAERR;
}

static void die_of_error(const char *error, const char *parameters) {
    static const char *const details[] = {"hint",   "limit",     "argument",
                                          "reason", "errnoName", "request"};
    char name[128], text[512];
    if (!json_text(error, name, sizeof name)) die(EX_DATAERR, "the reply's error is not a string");
    fprintf(stderr, PROGRAM ": %s\n", name);
    for (size_t i = 0; i < sizeof details / sizeof *details; i++)
        if (json_text(json_member(parameters, details[i]), text, sizeof text))
            fprintf(stderr, PROGRAM ": %s: %s\n", details[i], text);
    exit(status_of(name));
}

/* Walks the array of {name, fileDescriptor}: returns how many there are, -1 if it is no such array,
 * and sets the index of each name that is wanted, -1 where there is none. */
static long find_indexes(const char *array, const char *const names[], size_t wanted,
                         long indexes[]) {
    long count = 0;
    char name[64];
    for (size_t i = 0; i < wanted; i++) indexes[i] = -1;
    if (!array || !json_take(&array, '[')) return -1;
    if (json_take(&array, ']')) return 0;
    do {
        const long index = json_index(json_member(array, "fileDescriptor"));
        if (!json_text(json_member(array, "name"), name, sizeof name)) return -1;
        for (size_t i = 0; i < wanted; i++)
            if (strcmp(name, names[i]) == 0) indexes[i] = index;
        count++;
    } while (json_skip(&array, MAX_DEPTH) && json_take(&array, ','));
    return count;
}

/* Whether the indexes are of descriptors that came, and no two the same. */
static bool are_indexes(const long indexes[], size_t wanted, long received) {
    for (size_t i = 0; i < wanted; i++) {
        if (indexes[i] < 0 || indexes[i] >= received) return false;
        for (size_t j = 0; j < i; j++)
            if (indexes[i] == indexes[j]) return false;
    }
    return true;
}

/* Takes what is wanted out of the reply and closes whatever else came with it. */
static void take_descriptors(struct reply *reply, const char *const names[], size_t wanted,
                             int descriptors[]) {
    const char *error = json_member(reply->text, "error");
    const char *parameters = json_member(reply->text, "parameters");
    if (error) die_of_error(error, parameters);
    long indexes[MAX_DESCRIPTORS];
    const char *array = json_member(parameters, "descriptors");
    const long expected = find_indexes(array, names, wanted, indexes);
    const long received = (long)reply->count;
    if (expected < 0) die(EX_DATAERR, "the reply has no proper list of descriptors");
    if (reply->truncated || expected != received)
        die(EX_DATAERR, "expected %ld descriptors, received %ld%s", expected, received,
            reply->truncated ? " (limit of open files, ulimit -n; or a security module)" : "");
    if (!are_indexes(indexes, wanted, received)) {
        fputs(PROGRAM ": the reply names no ", stderr);
        for (size_t i = 0; i < wanted; i++) fprintf(stderr, "%s%s", i ? " and " : "", names[i]);
        fprintf(stderr, " among %ld descriptors\n", received);
        exit(EX_DATAERR);
    }
    for (size_t i = 0; i < wanted; i++) {
        descriptors[i] = reply->descriptors[indexes[i]];
        reply->descriptors[indexes[i]] = -1;
    }
    for (size_t i = 0; i < reply->count; i++)
        if (reply->descriptors[i] >= 0) close(reply->descriptors[i]);
}

/* Makes a call and returns the descriptors that are wanted of its reply, at most 253, in the order
 * of their names. They belong to this process, not to the connection, and are close-on-exec. What
 * they are is for the caller to look at: the names are only what the broker says. */
static void get_descriptors(const char *address, const char *call, const char *const names[],
                            size_t wanted, int descriptors[]) {
    static struct reply reply; /* static: too large for the stack's taste */
    memset(&reply, 0, sizeof reply);
    int connection = connect_to_broker(address);
    check_server(connection);
    send_call(connection, call);
    receive_reply(connection, &reply);
    close(connection);
    take_descriptors(&reply, names, wanted, descriptors);
}

#endif
