/* SPDX-License-Identifier: MIT */
#include "trace/recorder.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "leaf_lock.h"
#include "memmap.h"
#include "mtree_walk.h"
#include "trace/encoder.h"
#include "trace/sink.h"

#define NS_PER_TICK (1000000000 / TIMEBASE_HZ)

struct recorder {
    struct trace_sink *sink;
    struct tap tap;
    struct xbar_riscv_hart *hart;
    pthread_t thread; /* the hart's */
    bool is_deterministic;
    bool is_started;
    uint64_t start;

    struct leaf_lock lock; /* of all below */
    struct trace_encoder encoder;
    unsigned latest; /* region */
    unsigned num_regions;
    const MemoryRegion *regions[TRACE_REGIONS_MAX]; /* identity only */
};

/* ---- Time -------------------------------------------------------------- */

/* What is deterministic has the same trace each time, so its time is the
 * guest's. */
static uint64_t now_ns(const struct recorder *recorder)
{
    uint64_t now;

    if (recorder->is_deterministic) {
        return xbar_riscv_time(recorder->hart) * NS_PER_TICK;
    }
    now = xbar_riscv_clock_ns(recorder->hart);
    return now > recorder->start ? now - recorder->start : 0;
}

static bool is_hart(const struct recorder *recorder)
{
    return pthread_equal(pthread_self(), recorder->thread);
}

/* ---- Accesses ---------------------------------------------------------- */

/* The number of @mr; num_regions: it came after the start, or there are too
 * many. */
static inline unsigned find_region(struct recorder *recorder,
                                   const MemoryRegion *mr)
{
    unsigned which = recorder->latest;

    if (which < recorder->num_regions && recorder->regions[which] == mr) {
        return which;
    }
    for (which = 0; which < recorder->num_regions; which++) {
        if (recorder->regions[which] == mr) {
            recorder->latest = which;
            break;
        }
    }
    return which;
}

static void put_access(struct recorder *recorder,
                       const struct xbar_access *access, uint64_t ns,
                       struct trace_site *site)
{
    unsigned region = find_region(recorder, access->mr);

    if (region == recorder->num_regions) {
        return;
    }
    site->region = (uint16_t)region;
    trace_put_access(&recorder->encoder, ns, site,
                     access->value & UINT64_MAX >> (64 - 8 * access->size));
}

static void observe_access(void *opaque, const struct xbar_access *access)
{
    struct recorder *recorder = opaque;
    struct trace_site site = {
        .offset = access->offset,
        .result = access->result,
        .size = (uint8_t)access->size,
        .flags = access->is_write ? TRACE_WRITE : 0,
    };
    uint64_t ns = now_ns(recorder);

    if (is_hart(recorder)) {
        site.pc = xbar_riscv_access_pc(recorder->hart);
    } else {
        site.flags |= TRACE_DMA;
    }
    leaf_lock(&recorder->lock);
    put_access(recorder, access, ns, &site);
    leaf_unlock(&recorder->lock);
}

/* ---- Inputs ------------------------------------------------------------ */

/* The reset before the start is none of the run's. */
static void note_input(void *opaque, enum trace_kind kind,
                       const uint64_t *numbers, const void *bytes, size_t count)
{
    struct recorder *recorder = opaque;

    if (recorder->is_started) {
        uint64_t ns = now_ns(recorder);

        leaf_lock(&recorder->lock);
        trace_put(&recorder->encoder, kind, ns, numbers, bytes, count);
        leaf_unlock(&recorder->lock);
    }
}

static uint64_t note_clock(void *opaque, enum trace_kind which, uint64_t value)
{
    note_input(opaque, which, &value, NULL, 0);
    return value;
}

static bool is_ordered(void *opaque)
{
    return is_hart(opaque);
}

/* ---- The file ---------------------------------------------------------- */

static uint8_t *submit(void *opaque, size_t size)
{
    struct recorder *recorder = opaque;

    return trace_sink_submit(recorder->sink, size);
}

/* A guest that does little is in the file soon all the same. The hart's thread
 * may wait for this one while it has the lock: so this does not. */
static void flush_idle(void *opaque)
{
    struct recorder *recorder = opaque;

    if (leaf_trylock(&recorder->lock)) {
        if (trace_sink_is_idle(recorder->sink)) {
            trace_encoder_flush(&recorder->encoder);
        }
        leaf_unlock(&recorder->lock);
    }
}

struct recorder *recorder_new(Error **errp)
{
    struct recorder *recorder = calloc(1, sizeof(*recorder));

    if (!recorder) {
        error_setg(errp, "no memory for a trace");
        return NULL;
    }
    recorder->thread = pthread_self();
    recorder->tap = (struct tap){
        .note = note_input,
        .clock = note_clock,
        .is_ordered = is_ordered,
        .opaque = recorder,
    };
    return recorder;
}

void recorder_attach(struct recorder *recorder, struct machine_config *config)
{
    config->observer.device = observe_access;
    config->observer.opaque = recorder;
    config->observer.asks_pc = true;
    config->tap = &recorder->tap;
}

/* What cannot be accessed by a callback has no number. */
static int add_region(void *opaque, const FlatRange *range)
{
    struct recorder *recorder = opaque;
    hwaddr offset = range->first + range->mr_delta;
    const char *name = memory_region_name(range->mr);
    uint64_t numbers[TRACE_NUMBERS] = {
        [REGION_ADDRESS] = range->first - offset,
        [REGION_LENGTH] = memory_region_size(range->mr),
    };

    if ((range->flags & FLAT_RANGE_RAM) ||
        recorder->num_regions == TRACE_REGIONS_MAX ||
        find_region(recorder, range->mr) != recorder->num_regions) {
        return 0;
    }
    recorder->regions[recorder->num_regions++] = range->mr;
    trace_put(&recorder->encoder, TRACE_REGION, 0, numbers, name, strlen(name));
    return 0;
}

static void put_devices(struct recorder *recorder, struct board *board)
{
    for (unsigned i = 0; i < VIRTIO_SLOTS; i++) {
        const struct virtio_device *device =
            virtio_slots_device(board->virtio, i);
        struct virtio_replica replica;
        uint64_t numbers[TRACE_NUMBERS] = { [DEVICE_SLOT] = i };

        virtio_replica_describe(device, &replica);
        if (replica.id == 0) {
            continue;
        }
        numbers[DEVICE_ID] = replica.id;
        numbers[DEVICE_FEATURES] = replica.features;
        numbers[DEVICE_QUEUES] = replica.num_queues;
        numbers[DEVICE_QUEUE_SIZE] = replica.queue_size;
        numbers[DEVICE_CONFIG_SIZE] = replica.config_size;
        trace_put(&recorder->encoder, TRACE_DEVICE, 0, numbers, replica.name,
                  strlen(replica.name));
        numbers[CONFIG_GENERATION] = device->config_generation;
        trace_put(&recorder->encoder, TRACE_CONFIG, 0, numbers, device->config,
                  replica.config_size);
    }
}

/* Under the lock: the thread of the sink may look already. */
static int open_sink(struct recorder *recorder, const char *path, Error **errp)
{
    uint64_t ignored;

    recorder->sink = trace_sink_open(path, flush_idle, recorder, errp);
    if (!recorder->sink) {
        return -EINVAL;
    }
    if (trace_encoder_init(&recorder->encoder, trace_sink_first(recorder->sink),
                           submit, recorder) == 0) {
        return 0;
    }
    (void)trace_sink_close(recorder->sink, &ignored);
    error_setg(errp, "no memory for a trace");
    return -EINVAL;
}

/* Devices before the board's view is told: whoever replays makes them first. */
int recorder_start(struct recorder *recorder, const char *path,
                   struct machine *machine, const struct guest *guest,
                   bool is_deterministic, Error **errp)
{
    struct board *board = machine_board(machine);
    const uint64_t numbers[TRACE_NUMBERS] = {
        [BOARD_RAM_SIZE] = guest->ram_size,
        [BOARD_TIMEBASE_HZ] = TIMEBASE_HZ,
        [BOARD_DETERMINISTIC] = is_deterministic,
    };

    recorder->hart = board->hart;
    recorder->is_deterministic = is_deterministic;
    recorder->start = xbar_riscv_clock_ns(board->hart);
    leaf_lock(&recorder->lock);
    recorder->is_started = open_sink(recorder, path, errp) == 0;
    if (recorder->is_started) {
        trace_put(&recorder->encoder, TRACE_BOARD, 0, numbers, guest->title,
                  strlen(guest->title));
        put_devices(recorder, board);
        (void)mtree_for_each_range(&board->memory, add_region, recorder);
    }
    leaf_unlock(&recorder->lock);
    return recorder->is_started ? 0 : -EINVAL;
}

static int close_file(struct recorder *recorder, uint64_t *bytes)
{
    struct trace_encoder *encoder = &recorder->encoder;
    const uint64_t numbers[TRACE_NUMBERS] = {
        [END_ACCESSES] = encoder->accesses,
        [END_INPUTS] = encoder->inputs,
    };
    int ret;

    leaf_lock(&recorder->lock);
    trace_put(encoder, TRACE_END, encoder->ns, numbers, NULL, 0);
    trace_encoder_flush(encoder);
    leaf_unlock(&recorder->lock);
    ret = trace_sink_close(recorder->sink, bytes);
    trace_encoder_end(encoder);
    return ret;
}

int recorder_close(struct recorder *recorder, struct recorder_totals *totals)
{
    int ret = 0;

    *totals = (struct recorder_totals){
        .accesses = recorder->encoder.accesses,
        .inputs = recorder->encoder.inputs,
    };
    if (recorder->is_started) {
        ret = close_file(recorder, &totals->bytes);
    }
    free(recorder);
    return ret;
}
