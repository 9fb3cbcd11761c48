/* SPDX-License-Identifier: MIT */
/*
 * A request is a chain (virtio 1.2, section 5.2.6):
 *
 *     out: type, reserved, sector (16 bytes) | data to write
 *     in:  data that was read | status (1 byte)
 *
 * however the driver cuts it into pieces.
 *
 *   pop -> header -+-> data mapped, disk operation --> done: unmapped -> status,
 *                  |                                                    used
 *                  +-> an answer at once (what is no such request)
 *
 * A chain without room for header or status cannot be answered: the driver is
 * told to reset. All else that is wrong with a request is its own error.
 */
#include "virtio/blk.h"

#include <stdlib.h>
#include <string.h>
#include <xbar/compat.h>

#include "virtio/disk.h"

#define QUEUE_SIZE  256
#define HEADER_SIZE 16
#define SEGMENT     16 /* bytes of one range to discard or zero */
#define SEGMENTS    32 /* in a request at most */
#define ID_SIZE     20

/* Ranges to discard or zero: 1 GiB each. */
#define RANGE_SECTORS (UINT32_C(1) << 21)

enum blk_feature {
    BLK_F_SEG_MAX = 1 << 2,
    BLK_F_RO = 1 << 5,
    BLK_F_BLK_SIZE = 1 << 6,
    BLK_F_FLUSH = 1 << 9,
    BLK_F_DISCARD = 1 << 13,
    BLK_F_WRITE_ZEROES = 1 << 14,
};

enum blk_type {
    BLK_T_IN = 0,
    BLK_T_OUT = 1,
    BLK_T_FLUSH = 4,
    BLK_T_GET_ID = 8,
    BLK_T_DISCARD = 11,
    BLK_T_WRITE_ZEROES = 13,
};

enum blk_status {
    BLK_S_OK = 0,
    BLK_S_IOERR = 1,
    BLK_S_UNSUPP = 2,
};

#define SEGMENT_UNMAP 1

/* Offsets in config space. */
enum blk_config {
    CONFIG_CAPACITY = 0,
    CONFIG_SEG_MAX = 12,
    CONFIG_BLK_SIZE = 20,
    CONFIG_MAX_DISCARD_SECTORS = 36,
    CONFIG_MAX_DISCARD_SEG = 40,
    CONFIG_DISCARD_ALIGNMENT = 44,
    CONFIG_MAX_ZEROES_SECTORS = 48,
    CONFIG_MAX_ZEROES_SEG = 52,
    CONFIG_ZEROES_MAY_UNMAP = 56,
    CONFIG_SIZE = 60,
};

struct blk_range {
    uint64_t sector;
    uint32_t sectors;
    bool may_unmap;
};

struct blk_request {
    struct disk_op op;
    struct virtio_blk *blk;
    struct blk_request *next; /* of those that are free */
    uint16_t head;
    hwaddr status_at;
    uint64_t in_bytes;
    unsigned num_maps;
    bool maps_are_written;
    unsigned num_ranges;
    unsigned next_range;
    union {
        struct iovec maps[VIRTIO_CHAIN_MAX];
        struct blk_range ranges[SEGMENTS];
    };
};

struct virtio_blk {
    struct virtio_device base;
    struct disk *disk;
    const char *id; /* or NULL */
    bool is_readonly;
    bool is_writethrough;
    bool is_unsafe;
    bool was_pushed; /* something, since the driver was last told */
    unsigned in_flight;
    struct blk_request *free;
    struct virtio_chain chain; /* the one that is looked at */
};

static struct virtio_blk *blk_of(struct virtio_device *device)
{
    return (struct virtio_blk *)device;
}

/* ---- Answers ----------------------------------------------------------- */

static void give_back(struct virtio_blk *blk, uint16_t head, hwaddr status_at,
                      enum blk_status status, uint64_t in_bytes)
{
    struct virtio_device *device = &blk->base;
    const struct virtio_piece piece = { status_at, 1 };
    uint8_t byte = (uint8_t)status;

    if (virtio_write_pieces(device->as, &piece, 1, 0, &byte, 1) ||
        virtio_queue_push(&device->queues[0], head, (uint32_t)in_bytes)) {
        virtio_device_fail(device);
        return;
    }
    blk->was_pushed = true;
}

/* The status is the last byte of all that may be written. */
static hwaddr status_address(const struct virtio_chain *chain)
{
    const struct virtio_piece *last =
        &virtio_chain_in(chain)[chain->num_in - 1];

    return last->addr + last->len - 1;
}

static void answer(struct virtio_blk *blk, const struct virtio_chain *chain,
                   enum blk_status status)
{
    give_back(blk, chain->head, status_address(chain), status, chain->in_bytes);
}

/* ---- Requests ---------------------------------------------------------- */

/* A driver that did not take the flush expects each write to be durable. */
static bool writes_are_durable(const struct virtio_blk *blk)
{
    return !blk->is_unsafe && (blk->is_writethrough ||
                               !virtio_device_has(&blk->base, BLK_F_FLUSH));
}

static struct blk_request *new_request(struct virtio_blk *blk)
{
    const struct virtio_chain *chain = &blk->chain;
    struct blk_request *request = blk->free;

    if (request) {
        blk->free = request->next;
    } else {
        request = malloc(sizeof(*request));
    }
    if (request) {
        request->blk = blk;
        request->head = chain->head;
        request->status_at = status_address(chain);
        request->in_bytes = chain->in_bytes;
        request->num_maps = 0;
        request->maps_are_written = false;
        request->num_ranges = 0;
        request->next_range = 0;
        request->op = (struct disk_op){ .is_durable = writes_are_durable(blk) };
    }
    return request;
}

static void free_request(struct blk_request *request)
{
    AddressSpace *as = request->blk->base.as;
    bool is_write = request->maps_are_written;

    for (unsigned i = 0; i < request->num_maps; i++) {
        struct iovec *map = &request->maps[i];

        (void)address_space_unmap(as, map->iov_base, map->iov_len, is_write,
                                  map->iov_len);
    }
    request->next = request->blk->free;
    request->blk->free = request;
}

static void start_range(struct blk_request *request)
{
    const struct blk_range *range = &request->ranges[request->next_range++];

    request->op.offset = range->sector * DISK_SECTOR;
    request->op.length = (uint64_t)range->sectors * DISK_SECTOR;
    request->op.may_unmap = range->may_unmap;
    disk_start(request->blk->disk, &request->op);
}

static void request_done(struct disk_op *op, int error)
{
    struct blk_request *request = (struct blk_request *)op;
    struct virtio_blk *blk = request->blk;

    if (!error && request->next_range < request->num_ranges) {
        start_range(request);
        return;
    }
    free_request(request); /* the data is there before its status */
    give_back(blk, request->head, request->status_at,
              error ? BLK_S_IOERR : BLK_S_OK, request->in_bytes);
    blk->in_flight--;
}

static void start(struct blk_request *request, enum disk_verb verb)
{
    request->op.verb = verb;
    request->op.done = request_done;
    request->blk->in_flight++;
    if (request->num_ranges) {
        start_range(request);
    } else {
        disk_start(request->blk->disk, &request->op);
    }
}

/* ---- Reads and writes -------------------------------------------------- */

/* Add a piece of RAM to the maps, which may come in parts. */
static bool map_piece(struct blk_request *request, hwaddr addr, uint64_t len)
{
    AddressSpace *as = request->blk->base.as;
    bool is_write = request->maps_are_written;

    if (!virtio_is_ram(as, addr, len, is_write)) {
        return false;
    }
    while (len) {
        hwaddr part = len;
        void *host = request->num_maps < VIRTIO_CHAIN_MAX
                         ? address_space_map(as, addr, &part, is_write,
                                             MEMTXATTRS_UNSPECIFIED)
                         : NULL;

        if (!host) {
            return false;
        }
        request->maps[request->num_maps++] = (struct iovec){ host, part };
        addr += part;
        len -= part;
    }
    return true;
}

/* Map @len bytes from @skip on. */
static bool map_pieces(struct blk_request *request,
                       const struct virtio_piece *pieces, uint64_t skip,
                       uint64_t len)
{
    for (; len; pieces++) {
        uint64_t part = pieces->len;

        if (skip >= part) {
            skip -= part;
            continue;
        }
        part = part - skip < len ? part - skip : len;
        if (!map_piece(request, pieces->addr + skip, part)) {
            return false;
        }
        skip = 0;
        len -= part;
    }
    return true;
}

/* Do so many bytes from this sector on lie on the disk? */
static bool is_inside(const struct virtio_blk *blk, uint64_t sector,
                      uint64_t len)
{
    uint64_t sectors = disk_sectors(blk->disk);

    return len % DISK_SECTOR == 0 && sector <= sectors &&
           len / DISK_SECTOR <= sectors - sector;
}

static void transfer(struct virtio_blk *blk, uint64_t sector, bool is_write)
{
    const struct virtio_chain *chain = &blk->chain;
    uint64_t len =
        is_write ? chain->out_bytes - HEADER_SIZE : chain->in_bytes - 1;
    struct blk_request *request;

    if (!is_inside(blk, sector, len) || (is_write && blk->is_readonly)) {
        answer(blk, chain, BLK_S_IOERR);
        return;
    }
    request = new_request(blk);
    if (!request) {
        answer(blk, chain, BLK_S_IOERR);
        return;
    }
    request->maps_are_written = !is_write;
    if (!map_pieces(request, is_write ? chain->pieces : virtio_chain_in(chain),
                    is_write ? HEADER_SIZE : 0, len)) {
        free_request(request);
        answer(blk, chain, BLK_S_IOERR);
        return;
    }
    request->op.offset = sector * DISK_SECTOR;
    request->op.length = len;
    request->op.iov = request->maps;
    request->op.count = request->num_maps;
    start(request, is_write ? DISK_WRITE : DISK_READ);
}

/* ---- Ranges ------------------------------------------------------------ */

/* One range as the driver gives it: sector, sectors, flags. */
static enum blk_status take_range(const struct virtio_blk *blk,
                                  const uint8_t *raw, bool is_zeroing,
                                  struct blk_range *range)
{
    uint32_t flags = ldl_le_p(raw + 12);

    range->sector = ldq_le_p(raw);
    range->sectors = ldl_le_p(raw + 8);
    range->may_unmap = flags & SEGMENT_UNMAP;
    if (flags & ~(is_zeroing ? SEGMENT_UNMAP : 0u)) {
        return BLK_S_UNSUPP;
    }
    return range->sectors <= RANGE_SECTORS &&
                   is_inside(blk, range->sector,
                             (uint64_t)range->sectors * DISK_SECTOR)
               ? BLK_S_OK
               : BLK_S_IOERR;
}

static enum blk_status take_ranges(struct blk_request *request, bool is_zeroing)
{
    struct virtio_blk *blk = request->blk;
    const struct virtio_chain *chain = &blk->chain;
    uint8_t raw[SEGMENTS * SEGMENT];
    uint64_t len = chain->out_bytes - HEADER_SIZE;

    if (blk->is_readonly || len == 0 || len % SEGMENT || len > sizeof(raw) ||
        virtio_read_pieces(blk->base.as, chain->pieces, chain->num_out,
                           HEADER_SIZE, raw, len)) {
        return BLK_S_IOERR;
    }
    request->num_ranges = (unsigned)(len / SEGMENT);
    for (unsigned i = 0; i < request->num_ranges; i++) {
        enum blk_status status =
            take_range(blk, &raw[i * SEGMENT], is_zeroing, &request->ranges[i]);

        if (status != BLK_S_OK) {
            return status;
        }
    }
    return BLK_S_OK;
}

static void clear_ranges(struct virtio_blk *blk, bool is_zeroing)
{
    struct blk_request *request = new_request(blk);
    enum blk_status status =
        request ? take_ranges(request, is_zeroing) : BLK_S_IOERR;

    if (status == BLK_S_OK) {
        start(request, is_zeroing ? DISK_ZERO : DISK_DISCARD);
        return;
    }
    if (request) {
        free_request(request);
    }
    answer(blk, &blk->chain, status);
}

/* ---- Other requests ---------------------------------------------------- */

static void flush(struct virtio_blk *blk)
{
    struct blk_request *request = new_request(blk);

    if (request) {
        start(request, DISK_FLUSH);
    } else {
        answer(blk, &blk->chain, BLK_S_IOERR);
    }
}

static void tell_id(struct virtio_blk *blk)
{
    const struct virtio_chain *chain = &blk->chain;
    uint64_t room = chain->in_bytes - 1;
    char id[ID_SIZE] = "";
    enum blk_status status = BLK_S_OK;

    if (blk->id) {
        memcpy(id, blk->id, strnlen(blk->id, sizeof(id)));
    }
    if (virtio_write_pieces(blk->base.as, virtio_chain_in(chain), chain->num_in,
                            0, id, room < ID_SIZE ? room : ID_SIZE)) {
        status = BLK_S_IOERR;
    }
    answer(blk, chain, status);
}

/* Return: can the chain be answered at all? */
static bool begin_request(struct virtio_blk *blk)
{
    const struct virtio_chain *chain = &blk->chain;
    uint8_t header[HEADER_SIZE];

    if (chain->in_bytes == 0 ||
        virtio_read_pieces(blk->base.as, chain->pieces, chain->num_out, 0,
                           header, sizeof(header))) {
        return false;
    }
    switch (ldl_le_p(header)) {
    case BLK_T_IN:
        transfer(blk, ldq_le_p(header + 8), false);
        break;
    case BLK_T_OUT:
        transfer(blk, ldq_le_p(header + 8), true);
        break;
    case BLK_T_FLUSH:
        flush(blk);
        break;
    case BLK_T_GET_ID:
        tell_id(blk);
        break;
    case BLK_T_DISCARD:
        clear_ranges(blk, false);
        break;
    case BLK_T_WRITE_ZEROES:
        clear_ranges(blk, true);
        break;
    default:
        answer(blk, chain, BLK_S_UNSUPP);
        break;
    }
    return true;
}

/* ---- The device -------------------------------------------------------- */

static void tell_driver(struct virtio_blk *blk)
{
    if (blk->was_pushed) {
        blk->was_pushed = false;
        virtio_device_told(&blk->base, &blk->base.queues[0]);
    }
    if (blk->in_flight == 0) {
        virtio_device_is_idle(&blk->base);
    }
}

static void kick_blk(struct virtio_device *device)
{
    struct virtio_blk *blk = blk_of(device);
    struct virtio_queue *queue = &device->queues[0];
    int ret;

    do {
        (void)virtio_queue_set_notify(queue, false);
        while ((ret = virtio_queue_pop(queue, &blk->chain)) > 0) {
            if (!begin_request(blk)) {
                ret = -1;
                break;
            }
        }
        disk_submit(blk->disk);
        disk_reap(blk->disk);
    } while (ret == 0 && virtio_queue_set_notify(queue, true));
    if (ret < 0) {
        virtio_device_fail(device);
    }
    tell_driver(blk);
}

static void take_completions(void *opaque)
{
    struct virtio_blk *blk = opaque;

    virtio_device_lock(&blk->base);
    disk_reap(blk->disk);
    tell_driver(blk);
    virtio_device_unlock(&blk->base);
}

static bool is_blk_idle(struct virtio_device *device)
{
    return blk_of(device)->in_flight == 0;
}

static void reset_blk(struct virtio_device *device)
{
    blk_of(device)->was_pushed = false;
}

static void free_blk(struct virtio_device *device)
{
    struct virtio_blk *blk = blk_of(device);

    while (blk->free) {
        struct blk_request *request = blk->free;

        blk->free = request->next;
        free(request);
    }
    virtio_device_destroy(device);
    if (blk->disk) {
        disk_close(blk->disk);
    }
    free(blk);
}

/* What the guest wrote since would be there already. */
static const char *refuse_blk(const struct virtio_device *device)
{
    return ((const struct virtio_blk *)device)->is_readonly
               ? NULL
               : "a drive that the guest may write does not go back: say "
                 "readonly=on";
}

static const struct virtio_class blk_class = {
    .name = "virtio-blk",
    .id = 2,
    .num_queues = 1,
    .queue_size = QUEUE_SIZE,
    .config_size = CONFIG_SIZE,
    .kick = kick_blk,
    .is_idle = is_blk_idle,
    .reset = reset_blk,
    .free = free_blk,
    .refuse = refuse_blk,
};

static void describe(struct virtio_blk *blk, const struct drive_config *drive)
{
    uint8_t *config = blk->base.config;

    stq_le_p(config + CONFIG_CAPACITY, disk_sectors(blk->disk));
    stl_le_p(config + CONFIG_SEG_MAX, VIRTIO_CHAIN_MAX - 2);
    stl_le_p(config + CONFIG_BLK_SIZE, DISK_SECTOR);
    if (drive->is_readonly) {
        return;
    }
    stl_le_p(config + CONFIG_MAX_ZEROES_SECTORS, RANGE_SECTORS);
    stl_le_p(config + CONFIG_MAX_ZEROES_SEG, SEGMENTS);
    if (!drive->ignores_discard) {
        stl_le_p(config + CONFIG_MAX_DISCARD_SECTORS, RANGE_SECTORS);
        stl_le_p(config + CONFIG_MAX_DISCARD_SEG, SEGMENTS);
        stl_le_p(config + CONFIG_DISCARD_ALIGNMENT, 4096 / DISK_SECTOR);
        config[CONFIG_ZEROES_MAY_UNMAP] = 1;
    }
}

static uint64_t features_of(const struct drive_config *drive)
{
    uint64_t features = BLK_F_SEG_MAX | BLK_F_BLK_SIZE | BLK_F_FLUSH;

    if (drive->is_readonly) {
        return features | BLK_F_RO;
    }
    return features | BLK_F_WRITE_ZEROES |
           (drive->ignores_discard ? 0 : BLK_F_DISCARD);
}

struct virtio_device *virtio_blk_new(const struct virtio_place *place,
                                     const struct drive_config *config,
                                     Error **errp)
{
    struct virtio_blk *blk = calloc(1, sizeof(*blk));

    if (!blk) {
        return NULL;
    }
    blk->id = config->id;
    blk->is_readonly = config->is_readonly;
    blk->is_writethrough = config->cache == DRIVE_CACHE_WRITETHROUGH;
    blk->is_unsafe = config->cache == DRIVE_CACHE_UNSAFE;
    if (virtio_device_init(&blk->base, &blk_class, place,
                           features_of(config))) {
        free_blk(&blk->base);
        return NULL;
    }
    blk->disk = disk_open(config, place->loop, errp);
    if (!blk->disk ||
        (disk_fd(blk->disk) >= 0 &&
         io_loop_add(place->loop, disk_fd(blk->disk), take_completions, blk))) {
        free_blk(&blk->base);
        return NULL;
    }
    describe(blk, config);
    return &blk->base;
}
