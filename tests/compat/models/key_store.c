/* SPDX-License-Identifier: MIT */
#include "exec/memattrs.h"
#include "exec/memory.h"
#include "qemu/log.h"
#include "qemu/osdep.h"

#include "key_store.h"

static uint32_t key_store_hash(const KeyStoreState *s)
{
    uint32_t hash = 0x811c9dc5;

    for (unsigned i = 0; i < KEY_STORE_WORDS; i++) {
        hash = (hash ^ s->keys[i]) * 0x01000193;
    }
    return hash;
}

static MemTxResult key_store_read(void *opaque, hwaddr addr, uint64_t *data,
                                  unsigned size, MemTxAttrs attrs)
{
    KeyStoreState *s = opaque;

    if (addr == KEY_STORE_HASH) {
        *data = key_store_hash(s);
        return MEMTX_OK;
    }
    if (addr == KEY_STORE_WHO) {
        *data = attrs.requester_id;
        return MEMTX_OK;
    }
    if (addr >= KEY_STORE_HASH || !attrs.secure) {
        qemu_log_mask(LOG_GUEST_ERROR,
                      "key-store: no read of 0x%" HWADDR_PRIx "\n", addr);
        return MEMTX_ERROR;
    }
    *data = s->keys[addr / 4];
    return MEMTX_OK;
}

static MemTxResult key_store_write(void *opaque, hwaddr addr, uint64_t data,
                                   unsigned size, MemTxAttrs attrs)
{
    KeyStoreState *s = opaque;

    if (!attrs.secure) {
        qemu_log_mask(LOG_GUEST_ERROR, "key-store: write from outside\n");
        return MEMTX_ERROR;
    }
    if (addr == KEY_STORE_LOCK) {
        s->locked = true;
    } else if (addr < KEY_STORE_HASH && !s->locked) {
        s->keys[addr / 4] = data;
    } else {
        return MEMTX_ERROR;
    }
    return MEMTX_OK;
}

static const MemoryRegionOps key_store_ops = {
    .read_with_attrs = key_store_read,
    .write_with_attrs = key_store_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = {
        .min_access_size = 1,
        .max_access_size = 8,
        .unaligned = true,
    },
    .impl = {
        .min_access_size = 4,
        .max_access_size = 4,
    },
};

void key_store_init(KeyStoreState *s)
{
    memory_region_init_io(&s->iomem, OBJECT(s), &key_store_ops, s, "key-store",
                          KEY_STORE_SIZE);
}
