/* SPDX-License-Identifier: MIT */
#include "changes.h"

#include <stdio.h>
#include <string.h>

#include "host_clock.h"

static struct changes *of(MemoryListener *listener)
{
    return (struct changes *)((char *)listener -
                              offsetof(struct changes, listener));
}

static void begin(MemoryListener *listener)
{
    struct changes *changes = of(listener);

    changes->commits += changes->is_heard;
}

static void note(struct changes *changes, const MemoryRegionSection *section,
                 bool is_added)
{
    hwaddr first = section->offset_within_address_space;
    const char *name = memory_region_name(section->mr);
    struct change *change;

    if (!changes->is_heard || changes->total++ >= CHANGES_MAX) {
        return;
    }
    change = &changes->items[changes->count++];
    *change = (struct change){
        .ns = host_clock_ns(CLOCK_MONOTONIC) - changes->start_ns,
        .commit = changes->commits,
        .is_added = is_added,
        .is_ram = memory_region_is_ram(section->mr),
        .first = first,
        .last = first + (hwaddr)(section->size - 1),
    };
    snprintf(change->name, sizeof(change->name), "%s", name ? name : "");
}

static void add(MemoryListener *listener, MemoryRegionSection *section)
{
    note(of(listener), section, true);
}

static void del(MemoryListener *listener, MemoryRegionSection *section)
{
    note(of(listener), section, false);
}

int changes_start(struct changes *changes, AddressSpace *as, Error **errp)
{
    int ret;

    memset(changes, 0, sizeof(*changes));
    changes->listener = (MemoryListener){
        .begin = begin,
        .region_add = add,
        .region_del = del,
        .name = "profile",
    };
    ret = memory_listener_register(&changes->listener, as);
    if (ret) {
        error_setg(errp, "the memory map cannot be watched: %s",
                   strerror(-ret));
        return ret;
    }
    changes->start_ns = host_clock_ns(CLOCK_MONOTONIC);
    changes->is_heard = true;
    return 0;
}

void changes_stop(struct changes *changes)
{
    changes->is_heard = false;
    (void)memory_listener_unregister(&changes->listener);
}
