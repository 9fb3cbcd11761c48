/* SPDX-License-Identifier: MIT */
#include "trace/stage.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "memmap.h"
#include "mtree_walk.h"

/* ---- Clocks and lines -------------------------------------------------- */

static void add_reading(struct stage_clock *clock, uint64_t value)
{
    if (clock->count < STAGE_CLOCKS) {
        clock->values[clock->count++] = value;
    }
}

static uint64_t read_clock(void *opaque, enum trace_kind which, uint64_t value)
{
    struct stage *stage = opaque;
    struct stage_clock *clock =
        which == TRACE_MTIME ? &stage->mtime : &stage->rtc;

    (void)value;
    if (clock->taken < clock->count) {
        clock->last = clock->values[clock->taken++];
    }
    return clock->last;
}

static void settle_clock(struct stage_clock *clock)
{
    clock->count = 0;
    clock->taken = 0;
}

void stage_settle(struct stage *stage)
{
    settle_clock(&stage->mtime);
    settle_clock(&stage->rtc);
}

static void set_line(uint64_t *lines, const uint64_t *numbers)
{
    uint64_t bit = UINT64_C(1) << (numbers[0] & 63);

    *lines = numbers[1] ? *lines | bit : *lines & ~bit;
}

/* Only lines are of interest: all else comes from the trace. */
static void note(void *opaque, enum trace_kind kind, const uint64_t *numbers,
                 const void *bytes, size_t count)
{
    struct stage *stage = opaque;

    (void)bytes;
    (void)count;
    if (kind == TRACE_LINE) {
        set_line(&stage->lines, numbers);
    }
}

static bool is_ordered(void *opaque)
{
    (void)opaque;
    return true;
}

/* ---- The board --------------------------------------------------------- */

static void drop_byte(void *opaque, uint8_t byte)
{
    (void)opaque;
    (void)byte;
}

static void do_nothing(void *opaque)
{
    (void)opaque;
}

static void ignore_status(void *opaque, int status)
{
    (void)opaque;
    (void)status;
}

static int make_board(struct stage *stage, Error **errp)
{
    const struct board_config config = {
        .ram_size = stage->ram_size,
        .execution = { .engine = XBAR_RISCV_INTERP, .deterministic = true },
        .uart = { drop_byte, do_nothing, NULL },
        .finisher = { ignore_status, do_nothing, NULL },
        .tap = &stage->tap,
        .virtio_replicas = stage->replicas,
    };

    stage->board = board_new(&config, errp);
    if (!stage->board) {
        return -EINVAL;
    }
    for (unsigned i = 0; i < VIRTIO_SLOTS; i++) {
        virtio_replica_set_config(virtio_slots_device(stage->board->virtio, i),
                                  stage->configs[i].generation,
                                  stage->configs[i].bytes,
                                  stage->configs[i].size);
    }
    return 0;
}

struct wanted {
    uint64_t address;
    MemoryRegion *found;
};

/* Its first byte need not be visible. */
static int look_at_range(void *opaque, const FlatRange *range)
{
    struct wanted *wanted = opaque;

    if (!(range->flags & FLAT_RANGE_RAM) &&
        range->first - (range->first + range->mr_delta) == wanted->address) {
        wanted->found = range->mr;
        return 1;
    }
    return 0;
}

static int add_region(struct stage *stage, const struct trace_event *event,
                      Error **errp)
{
    struct wanted wanted = { event->numbers[REGION_ADDRESS], NULL };
    const char *name;

    (void)mtree_for_each_range(&stage->board->memory, look_at_range, &wanted);
    name = wanted.found ? memory_region_name(wanted.found) : "";
    if (!wanted.found ||
        memory_region_size(wanted.found) != event->numbers[REGION_LENGTH] ||
        strlen(name) != event->num_bytes ||
        memcmp(name, event->bytes, event->num_bytes) != 0) {
        error_setg(errp,
                   "%s: was recorded on another board: there is no such device "
                   "at 0x%" PRIx64,
                   stage->name, wanted.address);
        return -EINVAL;
    }
    stage->regions[stage->num_regions++] = wanted.found;
    return 0;
}

/* Numbers have the size that they have here: the decoder saw to that. */
static int add_device(struct stage *stage, const struct trace_event *event,
                      Error **errp)
{
    const uint64_t *n = event->numbers;
    struct virtio_replica replica = {
        .id = (uint32_t)n[DEVICE_ID],
        .features = n[DEVICE_FEATURES],
        .num_queues = (unsigned)n[DEVICE_QUEUES],
        .queue_size = (uint16_t)n[DEVICE_QUEUE_SIZE],
        .config_size = (unsigned)n[DEVICE_CONFIG_SIZE],
    };

    if (stage->board || replica.id == 0 ||
        !virtio_replica_is_possible(&replica) ||
        event->num_bytes >= VIRTIO_NAME_MAX) {
        error_setg(errp, "%s: has a virtio device that there cannot be",
                   stage->name);
        return -EINVAL;
    }
    memcpy(replica.name, event->bytes, event->num_bytes);
    stage->replicas[n[DEVICE_SLOT]] = replica;
    return 0;
}

/* ---- Records ----------------------------------------------------------- */

static void set_config(struct stage *stage, const struct trace_event *event)
{
    struct stage_config *config = &stage->configs[event->numbers[0]];

    config->generation = (uint32_t)event->numbers[CONFIG_GENERATION];
    config->size = event->num_bytes;
    memcpy(config->bytes, event->bytes, event->num_bytes);
    if (stage->board) {
        virtio_replica_set_config(
            virtio_slots_device(stage->board->virtio,
                                (unsigned)event->numbers[0]),
            config->generation, config->bytes, config->size);
    }
}

static void apply_input(struct stage *stage, const struct trace_event *event)
{
    struct board *board = stage->board;
    const uint64_t *n = event->numbers;

    switch (event->kind) {
    case TRACE_MTIME:
        add_reading(&stage->mtime, n[0]);
        break;
    case TRACE_RTC:
        add_reading(&stage->rtc, n[0]);
        break;
    case TRACE_RTC_POLL:
        (void)board_poll_rtc(board);
        stage_settle(stage);
        break;
    case TRACE_UART:
        uart16550_receive(&board->uart, event->bytes, event->num_bytes);
        break;
    case TRACE_BREAK:
        (void)uart16550_receive_break(&board->uart, (uint8_t)n[0]);
        break;
    case TRACE_RESET:
        board_reset(board);
        break;
    case TRACE_INTERRUPT:
        virtio_replica_interrupt(
            virtio_slots_device(board->virtio, (unsigned)n[0]), (uint32_t)n[1]);
        break;
    case TRACE_FAIL:
        virtio_replica_fail(virtio_slots_device(board->virtio, (unsigned)n[0]));
        break;
    default: /* of no consequence here */
        break;
    }
}

/* The devices come before all else, as the board is made of them. */
int stage_apply(struct stage *stage, const struct trace_event *event,
                Error **errp)
{
    if (event->kind == TRACE_BOARD) {
        stage->ram_size = event->numbers[BOARD_RAM_SIZE];
        return 0;
    }
    if (event->kind == TRACE_DEVICE) {
        return add_device(stage, event, errp);
    }
    if (event->kind == TRACE_CONFIG) {
        set_config(stage, event);
        return 0;
    }
    if (!stage->board && make_board(stage, errp)) {
        return -EINVAL;
    }
    if (event->kind == TRACE_REGION) {
        return add_region(stage, event, errp);
    }
    if (event->kind == TRACE_LINE) {
        set_line(&stage->recorded_lines, event->numbers);
    } else {
        apply_input(stage, event);
    }
    return 0;
}

void stage_init(struct stage *stage, const char *name)
{
    memset(stage, 0, sizeof(*stage));
    stage->name = name;
    stage->tap = (struct tap){
        .note = note,
        .clock = read_clock,
        .is_ordered = is_ordered,
        .opaque = stage,
    };
}

void stage_end(struct stage *stage)
{
    if (stage->board) {
        board_free(stage->board);
    }
    stage->board = NULL;
}
