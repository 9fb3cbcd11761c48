/* SPDX-License-Identifier: MIT */
/*
 *   descriptors, 16 bytes each         available ring        used ring
 *   +------+-----+-------+------+      +-------+-----+       +-------+-----+
 *   | addr | len | flags | next |      | flags | idx |       | flags | idx |
 *   +------+-----+-------+------+      +-------+-----+       +-------+-----+
 *     0      8     12      14          | head, 2 bytes       | id, len: 8 bytes
 *                                      | ... size of them    | ... size of them
 *                                      | used_event          | avail_event
 *
 * The guest writes the first two, the device the third. Rings are accessed
 * through caches, which know when a commit took the memory away; then they
 * are made anew, or the queue is broken.
 *
 * What is checked, and where:
 *
 *   sizes, alignment, rings in RAM     when the queue starts, or its caches
 *                                      are made anew
 *   idx at most `size` ahead           each look at it
 *   heads and links below `size`       before they are used
 *   length of a chain                  as it grows, so a loop ends
 *   indirect tables                    in RAM; not nested, not continued
 *   order                              nothing to read after the first piece
 *                                      to write
 */
#include "virtio/queue.h"

#include <errno.h>
#include <xbar/compat.h>

enum descriptor_flag {
    DESC_NEXT = 1,
    DESC_WRITE = 2,
    DESC_INDIRECT = 4,
};

#define AVAIL_NO_INTERRUPT 1
#define USED_NO_NOTIFY     1

#define DESC_SIZE  16
#define RING_FLAGS 0
#define RING_IDX   2
#define RING_FIRST 4

struct descriptor {
    uint64_t addr;
    uint32_t len;
    uint16_t flags;
    uint16_t next;
};

/* ---- Guest memory ------------------------------------------------------ */

bool virtio_is_ram(AddressSpace *as, hwaddr addr, uint64_t len, bool is_write)
{
    bool is_ram = len == 0 || len - 1 <= UINT64_MAX - addr;

    xbar_read_begin();
    while (is_ram && len) {
        hwaddr part = len;
        hwaddr xlat;
        MemoryRegion *mr = address_space_translate(
            as, addr, &xlat, &part, is_write, MEMTXATTRS_UNSPECIFIED);

        is_ram = mr && part && memory_region_is_ram(mr) &&
                 !(is_write && memory_region_is_rom(mr));
        addr += part;
        len -= part;
    }
    xbar_read_end();
    return is_ram;
}

/* One piece, or a part of it. */
static int copy_part(AddressSpace *as, hwaddr addr, uint8_t *buf, size_t len,
                     bool is_write)
{
    if (!virtio_is_ram(as, addr, len, is_write) ||
        address_space_rw(as, addr, MEMTXATTRS_UNSPECIFIED, buf, len,
                         is_write) != MEMTX_OK) {
        return -EFAULT;
    }
    return 0;
}

static int copy_pieces(AddressSpace *as, const struct virtio_piece *pieces,
                       unsigned count, uint64_t skip, uint8_t *buf, size_t len,
                       bool is_write)
{
    for (unsigned i = 0; i < count && len; i++) {
        size_t part;
        int ret;

        if (skip >= pieces[i].len) {
            skip -= pieces[i].len;
            continue;
        }
        part = pieces[i].len - (size_t)skip;
        part = part < len ? part : len;
        ret = copy_part(as, pieces[i].addr + skip, buf, part, is_write);
        if (ret) {
            return ret;
        }
        skip = 0;
        buf += part;
        len -= part;
    }
    return len ? -EFAULT : 0;
}

int virtio_read_pieces(AddressSpace *as, const struct virtio_piece *pieces,
                       unsigned count, uint64_t skip, void *buf, size_t len)
{
    return copy_pieces(as, pieces, count, skip, buf, len, false);
}

int virtio_write_pieces(AddressSpace *as, const struct virtio_piece *pieces,
                        unsigned count, uint64_t skip, const void *buf,
                        size_t len)
{
    /* address_space_rw() reads only from what it is given to write */
    return copy_pieces(as, pieces, count, skip, (uint8_t *)buf, len, true);
}

/* ---- Rings ------------------------------------------------------------- */

static uint16_t load16(MemoryRegionCache *cache, hwaddr offset)
{
    return address_space_lduw_le_cached(cache, offset, MEMTXATTRS_UNSPECIFIED,
                                        NULL);
}

static void store16(MemoryRegionCache *cache, hwaddr offset, uint16_t value)
{
    address_space_stw_le_cached(cache, offset, value, MEMTXATTRS_UNSPECIFIED,
                                NULL);
}

static hwaddr avail_bytes(const struct virtio_queue *queue)
{
    return RING_FIRST + 2u * queue->size + 2;
}

static hwaddr used_bytes(const struct virtio_queue *queue)
{
    return RING_FIRST + 8u * queue->size + 2;
}

static hwaddr used_event(const struct virtio_queue *queue)
{
    return RING_FIRST + 2u * queue->size;
}

static hwaddr avail_event(const struct virtio_queue *queue)
{
    return RING_FIRST + 8u * queue->size;
}

static int cache_ring(MemoryRegionCache *cache, AddressSpace *as, hwaddr addr,
                      hwaddr len, bool is_write)
{
    if (!virtio_is_ram(as, addr, len, is_write) ||
        address_space_cache_init(cache, as, addr, len, is_write) !=
            (int64_t)len) {
        return -EPROTO;
    }
    return 0;
}

static void drop_caches(struct virtio_queue *queue)
{
    address_space_cache_destroy(&queue->desc_cache);
    address_space_cache_destroy(&queue->avail_cache);
    address_space_cache_destroy(&queue->used_cache);
}

static int make_caches(struct virtio_queue *queue)
{
    AddressSpace *as = queue->as;
    int ret = cache_ring(&queue->desc_cache, as, queue->desc,
                         (hwaddr)DESC_SIZE * queue->size, false);

    if (ret == 0) {
        ret = cache_ring(&queue->avail_cache, as, queue->avail,
                         avail_bytes(queue), false);
    }
    if (ret == 0) {
        ret = cache_ring(&queue->used_cache, as, queue->used, used_bytes(queue),
                         true);
    }
    return ret;
}

/* After a commit that concerned a ring. Return: can it be used? */
static bool refresh_caches(struct virtio_queue *queue)
{
    if (!queue->is_ready || queue->is_broken) {
        return false;
    }
    if (!xbar_cache_is_stale(&queue->desc_cache) &&
        !xbar_cache_is_stale(&queue->avail_cache) &&
        !xbar_cache_is_stale(&queue->used_cache)) {
        return true;
    }
    drop_caches(queue);
    queue->is_broken = make_caches(queue) != 0;
    return !queue->is_broken;
}

static int break_queue(struct virtio_queue *queue)
{
    queue->is_broken = true;
    return -EPROTO;
}

int virtio_queue_start(struct virtio_queue *queue, AddressSpace *as,
                       bool has_event_idx)
{
    unsigned size = queue->size;

    if (size == 0 || size > VIRTIO_QUEUE_SIZE_MAX || (size & (size - 1)) ||
        queue->desc % 16 || queue->avail % 2 || queue->used % 4) {
        return -EPROTO;
    }
    queue->as = as;
    queue->has_event_idx = has_event_idx;
    queue->is_broken = false;
    queue->was_signalled = false;
    queue->next_avail = 0;
    queue->next_used = 0;
    queue->in_use = 0;
    if (make_caches(queue)) {
        drop_caches(queue);
        return -EPROTO;
    }
    queue->is_ready = true;
    return 0;
}

void virtio_queue_stop(struct virtio_queue *queue)
{
    if (queue->is_ready) {
        drop_caches(queue);
    }
    queue->is_ready = false;
    queue->is_broken = false;
}

/* The caches are @queue's to let go of. */
void virtio_queue_save(const struct virtio_queue *queue,
                       struct virtio_queue *saved)
{
    static const MemoryRegionCache none;

    *saved = *queue;
    saved->desc_cache = none;
    saved->avail_cache = none;
    saved->used_cache = none;
}

/* Caches of a broken queue are not looked at, and still to be let go of. */
void virtio_queue_restore(struct virtio_queue *queue,
                          const struct virtio_queue *saved)
{
    virtio_queue_stop(queue);
    *queue = *saved;
    if (queue->is_ready && make_caches(queue)) {
        queue->is_broken = true;
    }
}

/* ---- Chains ------------------------------------------------------------ */

/* How many chains wait; more than `size` if the index makes no sense. */
static uint16_t count_waiting(struct virtio_queue *queue)
{
    return (uint16_t)(load16(&queue->avail_cache, RING_IDX) -
                      queue->next_avail);
}

bool virtio_queue_has_more(struct virtio_queue *queue)
{
    return refresh_caches(queue) && count_waiting(queue) != 0;
}

static struct descriptor load_descriptor(struct virtio_queue *queue,
                                         unsigned index)
{
    MemoryRegionCache *cache = &queue->desc_cache;
    hwaddr at = (hwaddr)DESC_SIZE * index;

    return (struct descriptor){
        address_space_ldq_le_cached(cache, at, MEMTXATTRS_UNSPECIFIED, NULL),
        address_space_ldl_le_cached(cache, at + 8, MEMTXATTRS_UNSPECIFIED,
                                    NULL),
        load16(cache, at + 12),
        load16(cache, at + 14),
    };
}

static int load_indirect(struct virtio_queue *queue, hwaddr table,
                         unsigned index, struct descriptor *desc)
{
    uint8_t raw[DESC_SIZE];
    hwaddr at = table + (hwaddr)DESC_SIZE * index;
    int ret = copy_part(queue->as, at, raw, sizeof(raw), false);

    if (ret == 0) {
        *desc = (struct descriptor){ ldq_le_p(raw), ldl_le_p(raw + 8),
                                     lduw_le_p(raw + 12), lduw_le_p(raw + 14) };
    }
    return ret;
}

/* An empty piece is none. */
static int add_piece(struct virtio_chain *chain, const struct descriptor *desc)
{
    unsigned count = chain->num_out + chain->num_in;
    bool is_in = desc->flags & DESC_WRITE;

    if (!is_in && chain->num_in) {
        return -EPROTO;
    }
    if (desc->len == 0) {
        return 0;
    }
    chain->pieces[count] = (struct virtio_piece){ desc->addr, desc->len };
    chain->num_in += is_in;
    chain->num_out += !is_in;
    chain->in_bytes += is_in ? desc->len : 0;
    chain->out_bytes += is_in ? 0 : desc->len;
    return 0;
}

/*
 * A table, or the queue's own descriptors, from @index on. Empty pieces count
 * here, though not in the chain, so that no loop is endless.
 */
static int walk(struct virtio_queue *queue, struct virtio_chain *chain,
                const struct descriptor *table, unsigned index)
{
    unsigned size = table ? table->len / DESC_SIZE : queue->size;

    for (unsigned seen = 0; seen < VIRTIO_CHAIN_MAX; seen++) {
        struct descriptor desc;
        int ret = 0;

        if (index >= size) {
            return -EPROTO;
        }
        if (table) {
            ret = load_indirect(queue, table->addr, index, &desc);
        } else {
            desc = load_descriptor(queue, index);
        }
        if (ret || (desc.flags & DESC_INDIRECT)) {
            /* a table ends the chain, and is in no table */
            return ret || table || (desc.flags & DESC_NEXT) ||
                           desc.len % DESC_SIZE
                       ? -EPROTO
                       : walk(queue, chain, &desc, 0);
        }
        if (chain->num_out + chain->num_in == VIRTIO_CHAIN_MAX ||
            add_piece(chain, &desc)) {
            return -EPROTO;
        }
        if (!(desc.flags & DESC_NEXT)) {
            return 0;
        }
        index = desc.next;
    }
    return -EPROTO;
}

int virtio_queue_pop(struct virtio_queue *queue, struct virtio_chain *chain)
{
    uint16_t waiting;

    if (!refresh_caches(queue)) {
        return queue->is_broken ? -EPROTO : 0;
    }
    waiting = count_waiting(queue);
    if (waiting == 0) {
        return 0;
    }
    if (waiting > queue->size || queue->in_use == queue->size) {
        return break_queue(queue);
    }
    dma_barrier(queue->as, DMA_DIRECTION_TO_DEVICE); /* idx, then the rest */
    chain->head = load16(&queue->avail_cache,
                         RING_FIRST + 2u * (queue->next_avail % queue->size));
    chain->num_out = 0;
    chain->num_in = 0;
    chain->out_bytes = 0;
    chain->in_bytes = 0;
    if (walk(queue, chain, NULL, chain->head)) {
        return break_queue(queue);
    }
    queue->next_avail++;
    queue->in_use++;
    return 1;
}

void virtio_queue_unpop(struct virtio_queue *queue, unsigned count)
{
    queue->next_avail = (uint16_t)(queue->next_avail - count);
    queue->in_use = (uint16_t)(queue->in_use - count);
}

int virtio_queue_put(struct virtio_queue *queue, unsigned offset, uint16_t head,
                     uint32_t written)
{
    unsigned index = (queue->next_used + offset) % queue->size;
    hwaddr at = RING_FIRST + 8u * index;

    if (!refresh_caches(queue)) {
        return -EPROTO;
    }
    address_space_stl_le_cached(&queue->used_cache, at, head,
                                MEMTXATTRS_UNSPECIFIED, NULL);
    address_space_stl_le_cached(&queue->used_cache, at + 4, written,
                                MEMTXATTRS_UNSPECIFIED, NULL);
    return 0;
}

void virtio_queue_publish(struct virtio_queue *queue, unsigned count)
{
    dma_barrier(queue->as, DMA_DIRECTION_FROM_DEVICE); /* data, then idx */
    queue->next_used = (uint16_t)(queue->next_used + count);
    queue->in_use = (uint16_t)(queue->in_use - count);
    store16(&queue->used_cache, RING_IDX, queue->next_used);
}

int virtio_queue_push(struct virtio_queue *queue, uint16_t head,
                      uint32_t written)
{
    int ret = virtio_queue_put(queue, 0, head, written);

    if (ret == 0) {
        virtio_queue_publish(queue, 1);
    }
    return ret;
}

/* ---- Telling each other ------------------------------------------------ */

/* Has the index @now passed @event since it was @old? All modulo 2^16. */
static bool has_passed(uint16_t event, uint16_t now, uint16_t old)
{
    return (uint16_t)(now - event - 1) < (uint16_t)(now - old);
}

bool virtio_queue_wants_interrupt(struct virtio_queue *queue)
{
    uint16_t old = queue->signalled;
    bool knows_old = queue->was_signalled;

    if (!refresh_caches(queue) || (knows_old && old == queue->next_used)) {
        return false;
    }
    dma_barrier(queue->as, DMA_DIRECTION_TO_DEVICE); /* idx, then the look */
    if (!queue->has_event_idx) {
        return !(load16(&queue->avail_cache, RING_FLAGS) & AVAIL_NO_INTERRUPT);
    }
    queue->signalled = queue->next_used;
    queue->was_signalled = true;
    return !knows_old ||
           has_passed(load16(&queue->avail_cache, used_event(queue)),
                      queue->next_used, old);
}

/* With event indexes there is nothing to be stored for "do not tell me": the
 * event stays where it was, behind the driver. */
bool virtio_queue_set_notify(struct virtio_queue *queue, bool wanted)
{
    if (!refresh_caches(queue)) {
        return false;
    }
    if (!queue->has_event_idx) {
        store16(&queue->used_cache, RING_FLAGS, wanted ? 0 : USED_NO_NOTIFY);
    } else if (wanted) {
        store16(&queue->used_cache, avail_event(queue), queue->next_avail);
    }
    if (!wanted) {
        return false;
    }
    dma_barrier(queue->as, DMA_DIRECTION_TO_DEVICE);
    return count_waiting(queue) != 0;
}
