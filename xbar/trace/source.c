/* SPDX-License-Identifier: MIT */
#include "trace/source.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file.h"
#include "trace/decoder.h"
#include "trace/header.h"
#include "trace/pack.h"

struct trace_source {
    const char *name;
    int fd;
    struct unpacker *unpacker;
    struct trace_decoder decoder;
    uint8_t block[TRACE_BLOCK_SIZE];
};

static int check_header(struct trace_source *source, Error **errp)
{
    uint8_t wanted[TRACE_HEADER_SIZE];
    uint8_t header[TRACE_HEADER_SIZE];
    ssize_t got = file_read_fully(source->fd, header, sizeof(header));

    if (got < 0) {
        error_setg(errp, "%s: %s", source->name, strerror((int)-got));
        return (int)got;
    }
    trace_header_make(wanted, TRACE_VERSION);
    if (got < TRACE_HEADER_SIZE ||
        memcmp(header, wanted, TRACE_HEADER_PREFIX) != 0) {
        error_setg(errp, "%s: not a trace", source->name);
        return -EINVAL;
    }
    if (memcmp(header, wanted, sizeof(header)) != 0) {
        error_setg(errp,
                   "%s: a trace of version %" PRIu32
                   ", and this is xbar " XBAR_PROGRAM_VERSION
                   ", which reads version %d",
                   source->name, trace_header_version(header), TRACE_VERSION);
        return -EINVAL;
    }
    return 0;
}

static int open_file(struct trace_source *source, const char *path,
                     Error **errp)
{
    if (!pack_is_there()) {
        error_setg(errp, "traces: this xbar was built without zstd");
        return -ENOTSUP;
    }
    source->name = path;
    if (strcmp(path, "-") == 0) {
        source->name = "standard input";
        source->fd = STDIN_FILENO;
    } else {
        source->fd = file_open_to_read(path, errp);
    }
    return source->fd < 0 ? source->fd : check_header(source, errp);
}

struct trace_source *trace_source_open(const char *path, Error **errp)
{
    struct trace_source *source = calloc(1, sizeof(*source));

    if (!source) {
        error_setg(errp, "no memory to read a trace");
        return NULL;
    }
    source->fd = -1;
    if (open_file(source, path, errp) ||
        trace_decoder_init(&source->decoder, source->name, errp)) {
        trace_source_close(source);
        return NULL;
    }
    source->unpacker = unpacker_new(source->fd);
    if (!source->unpacker) {
        error_setg(errp, "no memory to read a trace");
        trace_source_close(source);
        return NULL;
    }
    return source;
}

void trace_source_close(struct trace_source *source)
{
    if (!source) {
        return;
    }
    unpacker_free(source->unpacker);
    trace_decoder_end(&source->decoder);
    if (source->fd > STDERR_FILENO) {
        close(source->fd);
    }
    free(source);
}

static void report_end(const struct trace_source *source, int error,
                       Error **errp)
{
    const char *name = source->name;
    uint64_t accesses = source->decoder.accesses;

    switch (error) {
    case 0:
    case -ENODATA:
        error_setg(errp, "%s: cut off after %" PRIu64 " accesses", name,
                   accesses);
        break;
    case -EINVAL:
        error_setg(errp,
                   "%s: damaged after %" PRIu64
                   " accesses: what follows cannot be unpacked",
                   name, accesses);
        break;
    default:
        error_setg(errp, "%s: %s", name, strerror(-error));
        break;
    }
}

int trace_source_next(struct trace_source *source, struct trace_event *event,
                      Error **errp)
{
    struct trace_decoder *decoder = &source->decoder;
    int ret = trace_decode(decoder, event, errp);

    while (ret == 0) {
        size_t size;

        ret = unpacker_next(source->unpacker, source->block, &size);
        if (ret == 0 && decoder->has_end) {
            return 0;
        }
        if (ret <= 0) {
            report_end(source, ret, errp);
            return ret == 0 || ret == -ENODATA ? -EINVAL : ret;
        }
        trace_decoder_block(decoder, source->block, size);
        ret = trace_decode(decoder, event, errp);
    }
    return ret;
}

const struct trace_region *
trace_source_region(const struct trace_source *source, unsigned which)
{
    return &source->decoder.regions[which];
}

uint64_t trace_source_accesses(const struct trace_source *source)
{
    return source->decoder.accesses;
}
