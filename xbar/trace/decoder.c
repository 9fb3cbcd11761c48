/* SPDX-License-Identifier: MIT */
#include "trace/decoder.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "memmap.h"
#include "virtio/config.h"

struct trace_decoded_site {
    struct trace_site site;
    uint64_t value;
};

int trace_decoder_init(struct trace_decoder *decoder, const char *name,
                       Error **errp)
{
    *decoder = (struct trace_decoder){
        .name = name,
        .regions = calloc(TRACE_REGIONS_MAX, sizeof(struct trace_region)),
        .sites = calloc(TRACE_SITES_MAX, sizeof(struct trace_decoded_site)),
    };
    if (!decoder->regions || !decoder->sites) {
        trace_decoder_end(decoder);
        error_setg(errp, "no memory to read a trace");
        return -ENOMEM;
    }
    return 0;
}

void trace_decoder_end(struct trace_decoder *decoder)
{
    free(decoder->regions);
    free(decoder->sites);
    decoder->regions = NULL;
    decoder->sites = NULL;
}

void trace_decoder_block(struct trace_decoder *decoder, const uint8_t *bytes,
                         size_t size)
{
    decoder->at = bytes;
    decoder->end = bytes + size;
}

/* ---- Bytes ------------------------------------------------------------- */

/* All of these return NULL, or what is wrong. */

/* Wrong if the block ends in it, or it has more than 64 bits. */
static const char *get_number(struct trace_decoder *decoder, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; shift < 64 && decoder->at < decoder->end;
         shift += 7) {
        uint8_t byte = *decoder->at++;

        if (shift == 63 && byte > 1) {
            break;
        }
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            return NULL;
        }
    }
    return "a number that has no end";
}

static const char *get_time(struct trace_decoder *decoder)
{
    uint64_t since;
    const char *why = get_number(decoder, &since);

    if (why) {
        return why;
    }
    if (since > UINT64_MAX - decoder->ns) {
        return "a time that is none";
    }
    decoder->ns += since;
    return NULL;
}

static const char *get_bytes(struct trace_decoder *decoder,
                             struct trace_event *event)
{
    uint64_t count;
    const char *why = get_number(decoder, &count);

    if (why) {
        return why;
    }
    if (count > TRACE_BYTES_MAX ||
        count > (size_t)(decoder->end - decoder->at)) {
        return "more bytes than there are";
    }
    memcpy(event->bytes, decoder->at, count);
    event->num_bytes = (unsigned)count;
    decoder->at += count;
    return NULL;
}

/* ---- What records may say ---------------------------------------------- */

static const char *take_board(struct trace_decoder *decoder,
                              const struct trace_event *event)
{
    const uint64_t *n = event->numbers;

    if (decoder->has_board) {
        return "a second board";
    }
    if (n[BOARD_RAM_SIZE] == 0 || n[BOARD_RAM_SIZE] > RAM_MAX ||
        n[BOARD_RAM_SIZE] % 4096 || n[BOARD_TIMEBASE_HZ] == 0) {
        return "a board that cannot be";
    }
    decoder->has_board = true;
    return NULL;
}

static const char *take_region(struct trace_decoder *decoder,
                               const struct trace_event *event)
{
    const uint64_t *n = event->numbers;
    struct trace_region *region = &decoder->regions[decoder->num_regions];

    if (decoder->num_regions == TRACE_REGIONS_MAX) {
        return "too many regions";
    }
    if (n[REGION_LENGTH] == 0 ||
        n[REGION_ADDRESS] > UINT64_MAX - (n[REGION_LENGTH] - 1) ||
        memchr(event->bytes, 0, event->num_bytes)) {
        return "a region that cannot be";
    }
    region->address = n[REGION_ADDRESS];
    region->size = n[REGION_LENGTH];
    memcpy(region->name, event->bytes, event->num_bytes);
    region->name[event->num_bytes] = 0;
    decoder->num_regions++;
    return NULL;
}

static bool is_access_size(uint64_t size)
{
    return size == 1 || size == 2 || size == 4 || size == 8;
}

static const char *take_site(struct trace_decoder *decoder,
                             const struct trace_event *event)
{
    const uint64_t *n = event->numbers;
    uint64_t end; /* of the region */

    if (decoder->num_sites == TRACE_SITES_MAX) {
        return "too many sites";
    }
    if (n[SITE_REGION] >= decoder->num_regions || n[SITE_RESULT] > UINT32_MAX ||
        n[SITE_FLAGS] > TRACE_SITE_FLAGS || !is_access_size(n[SITE_SIZE])) {
        return "a site that cannot be";
    }
    end = decoder->regions[n[SITE_REGION]].size;
    if (n[SITE_OFFSET] >= end || end - n[SITE_OFFSET] < n[SITE_SIZE]) {
        return "a site outside of its region";
    }
    decoder->sites[decoder->num_sites++] = (struct trace_decoded_site){
        .site = {
            .pc = n[SITE_PC],
            .offset = n[SITE_OFFSET],
            .result = (uint32_t)n[SITE_RESULT],
            .region = (uint16_t)n[SITE_REGION],
            .size = (uint8_t)n[SITE_SIZE],
            .flags = (uint8_t)n[SITE_FLAGS],
        },
    };
    return NULL;
}

static const char *take_device(const struct trace_event *event)
{
    const uint64_t *n = event->numbers;

    return n[DEVICE_SLOT] >= VIRTIO_SLOTS || n[DEVICE_ID] > UINT32_MAX ||
                   n[DEVICE_QUEUES] > TRACE_BYTES_MAX ||
                   n[DEVICE_QUEUE_SIZE] > UINT16_MAX ||
                   n[DEVICE_CONFIG_SIZE] > TRACE_BYTES_MAX ||
                   memchr(event->bytes, 0, event->num_bytes)
               ? "a device that cannot be"
               : NULL;
}

static const char *take_end(struct trace_decoder *decoder,
                            const struct trace_event *event)
{
    decoder->has_end = true;
    return event->numbers[END_ACCESSES] != decoder->accesses ||
                   event->numbers[END_INPUTS] != decoder->inputs
               ? "an end that counts otherwise"
               : NULL;
}

/* What a record of this kind may not say. */
static const char *check_record(struct trace_decoder *decoder,
                                const struct trace_event *event)
{
    const uint64_t *n = event->numbers;

    switch (event->kind) {
    case TRACE_BOARD:
        return take_board(decoder, event);
    case TRACE_REGION:
        return take_region(decoder, event);
    case TRACE_SITE:
        return take_site(decoder, event);
    case TRACE_FORGET:
        decoder->num_sites = 0;
        return NULL;
    case TRACE_DEVICE:
        return take_device(event);
    case TRACE_END:
        return take_end(decoder, event);
    case TRACE_BREAK:
        return n[0] > UINT8_MAX ? "a key that is none" : NULL;
    case TRACE_LINE:
        return n[0] > 63 || n[1] > 1 ? "a line that is none" : NULL;
    case TRACE_CONFIG:
    case TRACE_INTERRUPT:
    case TRACE_FAIL:
        return n[0] >= VIRTIO_SLOTS || n[1] > UINT32_MAX
                   ? "a device that is none"
                   : NULL;
    default:
        return NULL;
    }
}

/* ---- Records ----------------------------------------------------------- */

static const char *decode_record(struct trace_decoder *decoder, uint64_t code,
                                 struct trace_event *event)
{
    const struct trace_kind_info *info = trace_kind_info(code);
    const char *why = NULL;

    if (!info) {
        return "no such record";
    }
    event->kind = (enum trace_kind)code;
    if (info->is_timed) {
        why = get_time(decoder);
    }
    for (unsigned i = 0; !why && info->numbers[i]; i++) {
        why = get_number(decoder, &event->numbers[i]);
    }
    if (!why && info->bytes) {
        why = get_bytes(decoder, event);
    }
    if (!why && !decoder->has_board && event->kind != TRACE_BOARD) {
        why = "a record before the board";
    }
    decoder->inputs += trace_is_input(event->kind);
    return why ? why : check_record(decoder, event);
}

static uint64_t unfold(uint64_t folded)
{
    return folded >> 1 ^ -(folded & 1);
}

static const char *decode_access(struct trace_decoder *decoder, uint64_t code,
                                 struct trace_event *event)
{
    uint64_t id = (code - TRACE_FIRST_ACCESS) / 2;
    struct trace_decoded_site *known;
    const char *why;
    uint64_t folded = 0;

    if (id >= decoder->num_sites) {
        return "an access of no site";
    }
    known = &decoder->sites[id];
    why = get_time(decoder);
    if (!why && !(code & 1)) {
        why = get_number(decoder, &folded);
    }
    known->value += unfold(folded);
    if (!why && known->site.size < 8 && known->value >> 8 * known->site.size) {
        why = "a value that is too large";
    }
    event->kind = TRACE_ACCESS;
    event->site = known->site;
    event->value = known->value;
    decoder->accesses++;
    return why;
}

static const char *decode_any(struct trace_decoder *decoder,
                              struct trace_event *event)
{
    uint64_t code;
    const char *why = get_number(decoder, &code);

    event->num_bytes = 0;
    memset(event->numbers, 0, sizeof(event->numbers));
    if (why) {
        return why;
    }
    if (decoder->has_end) {
        return "a record behind the end";
    }
    return code < TRACE_FIRST_ACCESS ? decode_record(decoder, code, event)
                                     : decode_access(decoder, code, event);
}

int trace_decode(struct trace_decoder *decoder, struct trace_event *event,
                 Error **errp)
{
    do {
        const uint8_t *start = decoder->at;
        const char *why;

        if (start == decoder->end) {
            return 0;
        }
        why = decode_any(decoder, event);
        if (why) {
            error_setg(errp, "%s: damaged after %" PRIu64 " accesses: %s",
                       decoder->name, decoder->accesses, why);
            decoder->at = decoder->end;
            return -EINVAL;
        }
    } while (event->kind == TRACE_SITE || event->kind == TRACE_FORGET);
    event->ns = decoder->ns;
    return 1;
}
