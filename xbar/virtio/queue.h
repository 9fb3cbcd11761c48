/* SPDX-License-Identifier: MIT */
/*
 * Split virtqueues, from the device's side (virtio 1.2, section 2.7).
 *
 * The guest owns the memory, may change it at any time, and is not trusted:
 * whatever it writes, each function here ends, touches nothing but the guest's
 * RAM, and tells a ring that makes no sense by -EPROTO. That breaks the queue
 * for good: the device asks for a reset.
 */
#ifndef XBAR_VIRTIO_QUEUE_H
#define XBAR_VIRTIO_QUEUE_H

#include <xbar/xbar.h>

#define VIRTIO_QUEUE_SIZE_MAX 256

/* Descriptors in one chain at most: as many as the largest queue has. */
#define VIRTIO_CHAIN_MAX VIRTIO_QUEUE_SIZE_MAX

/* A piece of guest memory, as a descriptor names it. Nothing is checked. */
struct virtio_piece {
    hwaddr addr;
    uint32_t len;
};

/* What the driver offers: bytes for the device to read, then room for it to
 * write. Copied from the rings once, so that it does not change any more. */
struct virtio_chain {
    uint16_t head;
    unsigned num_out;
    unsigned num_in;
    uint64_t out_bytes;
    uint64_t in_bytes;
    struct virtio_piece pieces[VIRTIO_CHAIN_MAX]; /* out, then in */
};

/* The pieces that the device writes. */
static inline const struct virtio_piece *
virtio_chain_in(const struct virtio_chain *chain)
{
    return &chain->pieces[chain->num_out];
}

/*
 * Zeroed is stopped. Fields up to `used` are the driver's to choose; they are
 * looked at when it starts. All under the device's lock.
 *
 * in_use == chains popped, but not pushed <= size
 */
struct virtio_queue {
    uint16_t size; /* a power of two <= VIRTIO_QUEUE_SIZE_MAX */
    hwaddr desc;
    hwaddr avail;
    hwaddr used;

    AddressSpace *as;
    bool is_ready;
    bool is_broken;
    bool has_event_idx; /* VIRTIO_F_EVENT_IDX was negotiated */
    bool was_signalled; /* `signalled` means something */
    uint16_t next_avail;
    uint16_t next_used;
    uint16_t signalled; /* next_used when the driver was last interrupted */
    uint16_t in_use;
    MemoryRegionCache desc_cache;
    MemoryRegionCache avail_cache;
    MemoryRegionCache used_cache;
};

/*
 * virtio_queue_start() - begin to use the rings
 *
 * Return: 0; -EPROTO if its size or an address is none that a queue can have,
 * or a ring does not lie in RAM.
 */
int virtio_queue_start(struct virtio_queue *queue, AddressSpace *as,
                       bool has_event_idx) XBAR_MUST_CHECK;

/* virtio_queue_stop() - let go of the memory; fine if it is stopped */
void virtio_queue_stop(struct virtio_queue *queue);

/*
 * virtio_queue_save() / _restore() - for snapshots
 *
 * @saved holds no memory: it may just be forgotten. By the time of the restore
 * the rings are what they were.
 */
void virtio_queue_save(const struct virtio_queue *queue,
                       struct virtio_queue *saved);
void virtio_queue_restore(struct virtio_queue *queue,
                          const struct virtio_queue *saved);

/* virtio_queue_has_more() - was anything offered that was not popped? */
bool virtio_queue_has_more(struct virtio_queue *queue);

/*
 * virtio_queue_pop() - take the next chain
 *
 * Return: 1; 0 if there is none; -EPROTO.
 */
int virtio_queue_pop(struct virtio_queue *queue, struct virtio_chain *chain)
    XBAR_MUST_CHECK;

/* virtio_queue_unpop() - put the @count chains popped last back */
void virtio_queue_unpop(struct virtio_queue *queue, unsigned count);

/*
 * virtio_queue_push() - give a chain back, @written bytes of it written
 *
 * Return: 0; -EPROTO if the used ring cannot be written.
 */
int virtio_queue_push(struct virtio_queue *queue, uint16_t head,
                      uint32_t written) XBAR_MUST_CHECK;

/*
 * virtio_queue_put() / virtio_queue_publish() - the same in two halves
 *
 * The driver sees chains that were put at @offset 0, 1, ... all at once, when
 * @count of them are published.
 */
int virtio_queue_put(struct virtio_queue *queue, unsigned offset, uint16_t head,
                     uint32_t written) XBAR_MUST_CHECK;
void virtio_queue_publish(struct virtio_queue *queue, unsigned count);

/* virtio_queue_wants_interrupt() - is the driver to be told of the pushes? */
bool virtio_queue_wants_interrupt(struct virtio_queue *queue);

/*
 * virtio_queue_set_notify() - does the device want to be told of new chains?
 *
 * Return: are there new ones already, which nobody may tell about?
 */
bool virtio_queue_set_notify(struct virtio_queue *queue, bool wanted);

/* ---- Guest memory ------------------------------------------------------ */

/* virtio_is_ram() - do all these bytes lie in RAM (or ROM, to be read)? */
bool virtio_is_ram(AddressSpace *as, hwaddr addr, uint64_t len, bool is_write);

/*
 * virtio_read_pieces() - copy @len bytes from @skip on out of @count pieces
 *
 * Return: 0; -EFAULT if there are fewer, or not all lies in RAM.
 */
int virtio_read_pieces(AddressSpace *as, const struct virtio_piece *pieces,
                       unsigned count, uint64_t skip, void *buf, size_t len)
    XBAR_MUST_CHECK;

/* virtio_write_pieces() - the other way round; as far as it went, on -EFAULT */
int virtio_write_pieces(AddressSpace *as, const struct virtio_piece *pieces,
                        unsigned count, uint64_t skip, const void *buf,
                        size_t len) XBAR_MUST_CHECK;

#endif
