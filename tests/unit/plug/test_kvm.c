/* SPDX-License-Identifier: MIT */
/*
 * The adapter against a KVM of the test's own, which minds what the kernel's
 * does.
 */
#include "jit/plug/kvm.h"

#include <linux/kvm.h>

#include "engine/event_notifier.h"
#include "flatview/deferred_writes.h"
#include "tests/unit/plug/board.h"

#define SLOTS  64
#define EVENTS 8

/* ---- A KVM ------------------------------------------------------------- */

struct fake {
    struct board b;
    struct xbar_kvm *plug;
    struct kvm_userspace_memory_region slot[SLOTS]; /* memory_size 0: none */
    uint64_t dirty[SLOTS][RAM_SIZE / PAGE / 64];
    struct kvm_ioeventfd event[EVENTS]; /* len UINT32_MAX: none */
    struct kvm_coalesced_mmio_zone zone[EVENTS];
    unsigned zones;
    unsigned calls;     /* for slots */
    int slots;          /* that it has */
    uint64_t refuse_at; /* a guest address; 0: none */
    int refusals;
    int last_refusal;
    _Alignas(4096) char ring[4096];
};

static int fail_with(int error)
{
    errno = error;
    return -1;
}

static bool overlap(const struct kvm_userspace_memory_region *a,
                    const struct kvm_userspace_memory_region *b)
{
    return a->guest_phys_addr < b->guest_phys_addr + b->memory_size &&
           b->guest_phys_addr < a->guest_phys_addr + a->memory_size;
}

static int fake_set_slot(struct fake *f,
                         const struct kvm_userspace_memory_region *r)
{
    f->calls++;
    if ((int)r->slot >= f->slots || r->guest_phys_addr % PAGE ||
        r->memory_size % PAGE || r->userspace_addr % PAGE) {
        return fail_with(EINVAL);
    }
    if (r->memory_size == 0) {
        if (f->slot[r->slot].memory_size == 0) {
            return fail_with(EINVAL);
        }
        f->slot[r->slot].memory_size = 0;
        return 0;
    }
    if (f->refuse_at != 0 && r->guest_phys_addr == f->refuse_at) {
        return fail_with(ENOMEM);
    }
    for (unsigned i = 0; i < SLOTS; i++) {
        if (i != r->slot && f->slot[i].memory_size != 0 &&
            overlap(&f->slot[i], r)) {
            return fail_with(EEXIST);
        }
    }
    if (f->slot[r->slot].memory_size != 0 &&
        (f->slot[r->slot].memory_size != r->memory_size ||
         f->slot[r->slot].userspace_addr != r->userspace_addr)) {
        return fail_with(EINVAL); /* only moves and flags */
    }
    f->slot[r->slot] = *r;
    return 0;
}

static int fake_dirty_log(struct fake *f, struct kvm_dirty_log *log)
{
    if (!(f->slot[log->slot].flags & KVM_MEM_LOG_DIRTY_PAGES)) {
        return fail_with(ENOENT);
    }
    memcpy(log->dirty_bitmap, f->dirty[log->slot],
           (f->slot[log->slot].memory_size / PAGE + 63) / 64 * 8);
    memset(f->dirty[log->slot], 0, sizeof(f->dirty[0]));
    return 0;
}

static int fake_eventfd(struct fake *f, const struct kvm_ioeventfd *e)
{
    bool goes = e->flags & KVM_IOEVENTFD_FLAG_DEASSIGN;

    for (unsigned i = 0; i < EVENTS; i++) {
        struct kvm_ioeventfd *at = &f->event[i];

        if (goes ? at->addr == e->addr && at->fd == e->fd && at->len == e->len
                 : at->len == UINT32_MAX) {
            *at = *e;
            at->len = goes ? UINT32_MAX : e->len;
            return 0;
        }
    }
    return fail_with(goes ? ENOENT : ENOSPC);
}

static int fake_ioctl(void *opaque, int fd, unsigned long request, void *arg)
{
    struct fake *f = opaque;
    struct kvm_coalesced_mmio_zone *zone = arg;

    assert_int_equal(fd, 77);
    switch (request) {
    case KVM_CHECK_EXTENSION:
        return (uintptr_t)arg == KVM_CAP_NR_MEMSLOTS ? f->slots : 1;
    case KVM_SET_USER_MEMORY_REGION:
        return fake_set_slot(f, arg);
    case KVM_GET_DIRTY_LOG:
        return fake_dirty_log(f, arg);
    case KVM_IOEVENTFD:
        return fake_eventfd(f, arg);
    case KVM_REGISTER_COALESCED_MMIO:
        f->zone[f->zones++] = *zone;
        return 0;
    case KVM_UNREGISTER_COALESCED_MMIO:
        assert_int_equal(zone->addr, f->zone[f->zones - 1].addr);
        f->zones--;
        return 0;
    default:
        fail_msg("an ioctl that is not known");
        return -1;
    }
}

/* Also called through a machine that was closed. */
static int closed_ioctl(void *opaque, int fd, unsigned long request, void *arg)
{
    struct fake *f = opaque;

    return f->slots == 0 ? fail_with(EBADF)
                         : fake_ioctl(opaque, fd, request, arg);
}

static void on_refused(void *opaque, hwaddr addr, uint64_t size, int error)
{
    struct fake *f = opaque;

    (void)addr, (void)size;
    f->refusals++;
    f->last_refusal = error;
}

static struct xbar_kvm_config fake_config(struct fake *f)
{
    return (struct xbar_kvm_config){
        .as = &f->b.as,
        .vm = 77,
        .first_slot = 3,
        .refused = on_refused,
        .opaque = f,
        .ring = (struct kvm_coalesced_mmio_ring *)(void *)f->ring,
        .ioctl = closed_ioctl,
    };
}

static void fake_prepare(struct fake *f)
{
    memset(f, 0, sizeof(*f));
    board_init(&f->b);
    f->b.opaque = f;
    f->slots = SLOTS;
    for (unsigned i = 0; i < EVENTS; i++) {
        f->event[i].len = UINT32_MAX;
    }
}

static void fake_init(struct fake *f)
{
    struct xbar_kvm_config config;
    Error *err = NULL;

    fake_prepare(f);
    config = fake_config(f);
    f->plug = xbar_kvm_new(&config, &err);
    assert_non_null(f->plug);
    assert_null(err);
}

static unsigned live_slots(const struct fake *f)
{
    unsigned count = 0;

    for (unsigned i = 0; i < SLOTS; i++) {
        count += f->slot[i].memory_size != 0;
    }
    return count;
}

/* The slot of guest address @addr; NULL: none. */
static struct kvm_userspace_memory_region *slot_at(struct fake *f,
                                                   uint64_t addr)
{
    for (unsigned i = 0; i < SLOTS; i++) {
        if (addr >= f->slot[i].guest_phys_addr &&
            addr - f->slot[i].guest_phys_addr < f->slot[i].memory_size) {
            return &f->slot[i];
        }
    }
    return NULL;
}

/* Does @addr lead to @offset of @mr? */
static void check_slot(struct fake *f, uint64_t addr, MemoryRegion *mr,
                       uint64_t offset, uint32_t flags)
{
    const struct kvm_userspace_memory_region *slot = slot_at(f, addr);

    assert_non_null(slot);
    assert_int_equal(slot->userspace_addr + (addr - slot->guest_phys_addr),
                     (uintptr_t)memory_region_get_ram_ptr(mr) + offset);
    assert_int_equal(slot->flags, flags);
    assert_true(slot->slot >= 3);
}

static void fake_finish(struct fake *f)
{
    assert_int_equal(xbar_kvm_free(f->plug), 0);
    assert_int_equal(live_slots(f), 0);
    assert_int_equal(f->zones, 0);
    board_finish(&f->b);
}

/* ---- Slots ------------------------------------------------------------- */

static void test_slots_follow(void **state)
{
    static struct fake f;
    MemoryRegion over;

    (void)state;
    fake_init(&f);
    assert_int_equal(live_slots(&f), 4);
    assert_int_equal(f.calls, 4);
    check_slot(&f, RAM + 0x1234, &f.b.ram, 0x1234, 0);
    check_slot(&f, ROM, &f.b.rom, 0, KVM_MEM_READONLY);
    check_slot(&f, BANK0, &f.b.bank[0], 0, 0);
    assert_null(slot_at(&f, DEVICE));

    /* Two go, two come. */
    board_swap(&f.b);
    assert_int_equal(f.calls, 8);
    check_slot(&f, BANK0, &f.b.bank[1], 0, 0);
    check_slot(&f, BANK1 + 5, &f.b.bank[0], 5, 0);

    /* Part of a page is no slot's: one goes, two come. */
    memory_region_init_io(&over, NULL, &board_ops, &f.b, "over", 0x1800);
    memory_region_add_subregion_overlap(&f.b.root, RAM + 0x20000, &over, 1);
    assert_int_equal(f.calls, 11);
    check_slot(&f, RAM + 0x1ffff, &f.b.ram, 0x1ffff, 0);
    assert_null(slot_at(&f, RAM + 0x20000));
    assert_null(slot_at(&f, RAM + 0x21800));
    check_slot(&f, RAM + 0x22000, &f.b.ram, 0x22000, 0);
    assert_int_equal(slot_at(&f, RAM)->memory_size, 0x20000);
    memory_region_del_subregion(&f.b.root, &over);
    assert_int_equal(f.calls, 14);
    assert_int_equal(slot_at(&f, RAM)->memory_size, RAM_SIZE);

    /* What changes nothing for KVM asks it nothing. */
    memory_region_transaction_begin();
    memory_region_set_enabled(&f.b.ram, false);
    memory_region_set_enabled(&f.b.ram, true);
    memory_region_set_enabled(&f.b.device, false);
    assert_int_equal(memory_region_transaction_commit(), 0);
    assert_int_equal(f.calls, 14);
    memory_region_set_readonly(&f.b.ram, true);
    assert_int_equal(f.calls, 16);
    check_slot(&f, RAM, &f.b.ram, 0, KVM_MEM_READONLY);
    assert_int_equal(xbar_region_destroy(&over, NULL, NULL), 0);
    fake_finish(&f);
}

static void test_refusals(void **state)
{
    static struct fake f;
    struct xbar_kvm_config config;
    struct xbar_kvm_stats stats;
    Error *err = NULL;
    long live;

    (void)state;
    fake_prepare(&f);
    config = fake_config(&f);
    live = f.b.alloc.live_bytes;
    f.refuse_at = BANK0;
    assert_null(xbar_kvm_new(&config, &err));
    assert_non_null(strstr(error_get_pretty(err), "at 0x90000000"));
    error_free(err);
    assert_int_equal(live_slots(&f), 0);
    assert_int_equal(f.b.alloc.live_bytes, live);
    config.vm = -1;
    assert_null(xbar_kvm_new(&config, NULL));
    for (long n = 1; n <= 2; n++) {
        config = fake_config(&f);
        counting_alloc_fail(&f.b.alloc, n);
        assert_null(xbar_kvm_new(&config, NULL));
    }
    counting_alloc_fail(&f.b.alloc, 0);
    assert_int_equal(f.b.alloc.live_bytes, live);

    /* Later it is told, and the memory is not there for KVM. */
    f.refuse_at = 0;
    config.max_slots = 4;
    f.plug = xbar_kvm_new(&config, NULL);
    assert_non_null(f.plug);
    f.refusals = 0;
    f.refuse_at = BANK1;
    board_swap(&f.b);
    assert_int_equal(f.refusals, 1);
    assert_int_equal(f.last_refusal, -ENOMEM);
    assert_null(slot_at(&f, BANK1));
    f.refuse_at = 0;
    board_swap(&f.b);
    assert_int_equal(live_slots(&f), 4);
    memory_region_set_size(&f.b.ram, RAM_SIZE / 2);
    assert_int_equal(live_slots(&f), 4);
    xbar_kvm_get_stats(f.plug, &stats);
    assert_int_equal(stats.slots, 4);
    assert_int_equal(stats.refused, 1);
    assert_int_equal(xbar_address_space_destroy(&f.b.as, NULL, NULL), -EBUSY);
    /* The machine was closed first. */
    f.slots = 0;
    assert_int_equal(xbar_kvm_free(f.plug), -EBADF);
    assert_int_equal(f.b.alloc.live_bytes > live + 4096, false);
    assert_int_equal(xbar_kvm_free(NULL), 0);
    board_finish(&f.b);
}

/* ---- Dirty logs -------------------------------------------------------- */

static void test_dirty_log(void **state)
{
    static struct fake f;
    struct kvm_userspace_memory_region *slot;

    (void)state;
    fake_init(&f);
    assert_int_equal(memory_region_set_log(&f.b.ram, true, DIRTY_MEMORY_VGA),
                     0);
    check_slot(&f, RAM, &f.b.ram, 0, KVM_MEM_LOG_DIRTY_PAGES);
    assert_int_equal(slot_at(&f, BANK0)->flags, 0);
    memory_region_reset_dirty(&f.b.ram, 0, RAM_SIZE, DIRTY_MEMORY_VGA);
    slot = slot_at(&f, RAM);
    f.dirty[slot->slot][1] = 1u << 6; /* page 70 */
    memory_region_sync_dirty_bitmap(&f.b.ram);
    for (unsigned page = 0; page < RAM_SIZE / PAGE; page++) {
        assert_int_equal(
            memory_region_get_dirty(&f.b.ram, page * PAGE, 1, DIRTY_MEMORY_VGA),
            page == 70);
    }
    /* What was logged when the slot goes is not lost. */
    memory_region_reset_dirty(&f.b.ram, 0, RAM_SIZE, DIRTY_MEMORY_VGA);
    f.dirty[slot->slot][0] = 1u << 5;
    memory_region_set_address(&f.b.ram, RAM + 0x1000000);
    assert_true(
        memory_region_get_dirty(&f.b.ram, 5 * PAGE, 1, DIRTY_MEMORY_VGA));
    check_slot(&f, RAM + 0x1000000, &f.b.ram, 0, KVM_MEM_LOG_DIRTY_PAGES);
    f.dirty[slot_at(&f, RAM + 0x1000000)->slot][0] = 1u << 9;
    assert_int_equal(memory_region_set_log(&f.b.ram, false, DIRTY_MEMORY_VGA),
                     0);
    assert_int_equal(slot_at(&f, RAM + 0x1000000)->flags, 0);
    fake_finish(&f);
}

/* ---- Eventfds, coalesced writes, exits --------------------------------- */

static void test_eventfd(void **state)
{
    static struct fake f;
    EventNotifier e;

    (void)state;
    fake_init(&f);
    assert_int_equal(event_notifier_init(&e, 0), 0);
    assert_int_equal(
        memory_region_add_eventfd(&f.b.device, 0x20, 4, true, 9, &e), 0);
    assert_int_equal(f.event[0].addr, DEVICE + 0x20);
    assert_int_equal(f.event[0].len, 4);
    assert_int_equal(f.event[0].datamatch, 9);
    assert_int_equal(f.event[0].flags, KVM_IOEVENTFD_FLAG_DATAMATCH);
    assert_int_equal(
        memory_region_add_eventfd(&f.b.device, 0x30, 0, false, 0, &e), 0);
    assert_int_equal(f.event[1].addr, DEVICE + 0x30);
    assert_int_equal(f.event[1].len, 0);
    memory_region_set_address(&f.b.device, DEVICE + PAGE);
    assert_int_equal(f.event[0].addr | f.event[1].addr, DEVICE + PAGE + 0x30);
    assert_int_equal(
        memory_region_del_eventfd(&f.b.device, 0x20, 4, true, 9, &e), 0);
    assert_int_equal(
        memory_region_del_eventfd(&f.b.device, 0x30, 0, false, 0, &e), 0);
    for (unsigned i = 0; i < EVENTS; i++) {
        assert_int_equal(f.event[i].len, UINT32_MAX);
    }
    event_notifier_cleanup(&e);
    fake_finish(&f);
}

static bool exit_mmio(struct fake *f, hwaddr addr, void *data, uint32_t len,
                      bool is_write)
{
    struct kvm_run run = { .exit_reason = KVM_EXIT_MMIO };
    bool mine;

    run.mmio.phys_addr = addr;
    run.mmio.len = len;
    run.mmio.is_write = is_write;
    memcpy(run.mmio.data, data, 8);
    mine = xbar_kvm_exit(f->plug, &run);
    memcpy(data, run.mmio.data, 8);
    return mine;
}

static void test_exits(void **state)
{
    static struct fake f;
    struct kvm_run run = { .exit_reason = KVM_EXIT_HLT };
    struct kvm_coalesced_mmio_ring *ring;
    struct xbar_kvm_stats stats;
    uint64_t data = 5;

    (void)state;
    fake_init(&f);
    assert_false(xbar_kvm_exit(f.plug, &run));
    assert_true(exit_mmio(&f, DEVICE, &data, 4, true));
    data = 0;
    assert_true(exit_mmio(&f, DEVICE, &data, 2, false));
    assert_int_equal(data, 5);
    data = UINT64_MAX;
    assert_true(exit_mmio(&f, 0x40000000, &data, 8, false)); /* nothing */
    assert_int_equal(data, 0);
    assert_false(exit_mmio(&f, DEVICE, &data, 9, false));

    /* Those of the ring come first, in their order. */
    assert_int_equal(memory_region_add_coalescing(&f.b.device, 0, 4), 0);
    assert_int_equal(f.zones, 1);
    assert_int_equal(f.zone[0].addr, DEVICE);
    assert_int_equal(f.zone[0].size, 4);
    ring = (struct kvm_coalesced_mmio_ring *)(void *)f.ring;
    for (unsigned i = 0; i < 3; i++) {
        struct kvm_coalesced_mmio *at = &ring->coalesced_mmio[ring->last++];

        at->phys_addr = DEVICE;
        at->len = 4;
        at->data[0] = (uint8_t)(i + 1);
    }
    data = 0;
    assert_true(exit_mmio(&f, DEVICE, &data, 4, false));
    assert_int_equal(data, ((5 * 3 + 1) * 3 + 2) * 3 + 3);
    assert_int_equal(ring->first, 3);
    xbar_kvm_get_stats(f.plug, &stats);
    assert_int_equal(stats.coalesced, 3);
    assert_int_equal(stats.exits, 4);
    assert_int_equal(stats.failed, 1);
    ring->first = UINT32_MAX; /* nonsense is not followed */
    xbar_kvm_flush_coalesced(f.plug);
    fake_finish(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slots_follow), cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_dirty_log),    cmocka_unit_test(test_eventfd),
        cmocka_unit_test(test_exits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
