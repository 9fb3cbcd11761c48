/* SPDX-License-Identifier: MIT */
/*
 * The memory API in one page: RAM, a device, an alias, one address space.
 *
 *     0x0000 - 0x0fff   ram
 *     0x1000 - 0x100f   a counter: counts its own reads; writes set it
 *     0x8000 - 0x8fff   the same ram once more, read-only
 *
 * cc hello_region.c $(pkg-config --cflags --libs xbar) && ./a.out
 */
#include <stdio.h>
#include <xbar/xbar.h>

struct counter {
    MemoryRegion mr; /* embedded: a device owns its regions */
    uint32_t value;
};

static uint64_t read_counter(void *opaque, hwaddr addr, unsigned size)
{
    struct counter *counter = opaque;

    (void)addr;
    (void)size;
    return counter->value++;
}

static void write_counter(void *opaque, hwaddr addr, uint64_t data,
                          unsigned size)
{
    struct counter *counter = opaque;

    (void)addr;
    (void)size;
    counter->value = (uint32_t)data;
}

/* Guests may use 1 to 4 bytes; the callbacks see 4 at a time. */
static const MemoryRegionOps counter_ops = {
    .read = read_counter,
    .write = write_counter,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 1, .max_access_size = 4 },
    .impl = { .min_access_size = 4, .max_access_size = 4 },
};

struct machine {
    MemoryRegion root;
    MemoryRegion ram;
    MemoryRegion mirror;
    struct counter counter;
    AddressSpace as;
};

/* All of it becomes visible at the commit, or none of it. */
static int build_machine(struct machine *m)
{
    Error *err = NULL;

    if (memory_region_init_ram(&m->ram, NULL, "ram", 0x1000, &err)) {
        fprintf(stderr, "hello_region: %s\n", error_get_pretty(err));
        error_free(err);
        return -1;
    }
    memory_region_init(&m->root, NULL, "root", UINT64_MAX);
    memory_region_init_io(&m->counter.mr, NULL, &counter_ops, &m->counter,
                          "counter", 0x10);
    memory_region_init_alias(&m->mirror, NULL, "mirror", &m->ram, 0, 0x1000);
    memory_region_set_readonly(&m->mirror, true);

    memory_region_transaction_begin();
    memory_region_add_subregion(&m->root, 0, &m->ram);
    memory_region_add_subregion(&m->root, 0x1000, &m->counter.mr);
    memory_region_add_subregion(&m->root, 0x8000, &m->mirror);
    if (memory_region_transaction_commit()) {
        return -1;
    }
    return address_space_init(&m->as, &m->root, "memory");
}

static uint32_t load(struct machine *m, hwaddr addr)
{
    return address_space_ldl_le(&m->as, addr, MEMTXATTRS_UNSPECIFIED, NULL);
}

static MemTxResult store(struct machine *m, hwaddr addr, uint32_t value)
{
    MemTxResult result;

    address_space_stl_le(&m->as, addr, value, MEMTXATTRS_UNSPECIFIED, &result);
    return result;
}

static void use_machine(struct machine *m)
{
    store(m, 0x10, 42);
    store(m, 0x8010, 7); /* read-only there: dropped */
    printf("ram %u\n", load(m, 0x10));
    printf("mirror %u\n", load(m, 0x8010));

    store(m, 0x1000, 5);
    printf("counter %u\n", load(m, 0x1000));
    printf("counter %u\n", load(m, 0x1000));

    /* A change takes effect at once: the counter moves up by a page. */
    memory_region_set_address(&m->counter.mr, 0x2000);
    printf("moved %u\n", load(m, 0x2000));
    printf("nothing left behind: result %u\n", store(m, 0x1000, 0));
}

/* Ending waits until no reader can see the regions: then they may go. */
static void end_machine(struct machine *m)
{
    address_space_destroy(&m->as);
    xbar_region_destroy(&m->mirror, NULL, NULL);
    xbar_region_destroy(&m->counter.mr, NULL, NULL);
    xbar_region_destroy(&m->ram, NULL, NULL);
    xbar_region_destroy(&m->root, NULL, NULL);
}

int main(void)
{
    static struct machine machine;

    if (build_machine(&machine)) {
        return 1;
    }
    use_machine(&machine);
    end_machine(&machine);
    return 0;
}
