/* SPDX-License-Identifier: MIT */
/*
 * Pages behind an IOMMU that hit inline: what they show, and all that may
 * change on the way. Each change is made while the entry is warm, and what is
 * loaded at the next safe point must be what is there then.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/engine.h"
#include "flatview/dirty_bitmap.h"
#include "flatview/iommu.h"
#include "flatview/read_observer.h"
#include "tlb/tlb.h"
#include "tlb/tlb_internal.h"

#define PAGE  ((hwaddr)0x1000)
#define PAGES 8
#define AT    ((hwaddr)0x40000000) /* of the IOMMU, in the vCPU's space */
#define RAM   ((hwaddr)0x80000000) /* in the target */

/*
 *     as      AT  iommu, PAGES pages      other  RAM  ram, PAGES pages
 *                   page i --- to[i] ------------->
 */
struct rig {
    SoftTLB tlb;
    struct xbar_engine *engine;
    MemoryRegion root;
    MemoryRegion other_root;
    MemoryRegion ram;
    MemoryRegion spare; /* the same size, over ram at first disabled */
    IOMMUMemoryRegion iommu;
    AddressSpace as;
    AddressSpace other;
    AddressSpace *target;
    hwaddr to[PAGES];
    unsigned perm[PAGES];
    hwaddr mask;
    unsigned asked;
    bool refuses;
    bool hides; /* leaves the vCPU's space while it is asked, once */
    IOMMUNotifierFlag flags;
    uint8_t *ram_bytes;
    uint8_t *spare_bytes;
};

static struct rig *rig;

static IOMMUTLBEntry translate(IOMMUMemoryRegion *iommu, hwaddr addr,
                               IOMMUAccessFlags flag, int iommu_idx)
{
    unsigned page = (unsigned)(addr / PAGE) % PAGES;
    hwaddr to = __atomic_load_n(&rig->to[page], __ATOMIC_ACQUIRE);

    (void)iommu;
    (void)flag;
    (void)iommu_idx;
    __atomic_fetch_add(&rig->asked, 1, __ATOMIC_RELAXED);
    if (rig->hides) {
        rig->hides = false;
        memory_region_set_enabled(&rig->iommu.parent_obj, false);
    }
    return (IOMMUTLBEntry){
        .target_as = rig->target,
        .iova = addr & ~rig->mask,
        .translated_addr = (to + addr % PAGE) & ~rig->mask,
        .addr_mask = rig->mask,
        .perm = (IOMMUAccessFlags)rig->perm[page],
    };
}

static int flags_changed(IOMMUMemoryRegion *iommu, IOMMUNotifierFlag old_flags,
                         IOMMUNotifierFlag new_flags, Error **errp)
{
    (void)iommu;
    (void)old_flags;
    if (rig->refuses) {
        error_setg(errp, "nobody is told");
        return -EPERM;
    }
    rig->flags = new_flags;
    return 0;
}

static const IOMMUMemoryRegionClass iommu_class = {
    .translate = translate,
    .notify_flag_changed = flags_changed,
};

static int walk(void *opaque, unsigned context, uint64_t va,
                enum xbar_tlb_access access, struct xbar_tlb_walk *found)
{
    (void)opaque;
    (void)context;
    (void)access;
    found->phys = va;
    found->prot = TLB_PROT_READ | TLB_PROT_WRITE | TLB_PROT_EXEC;
    return 0;
}

static void open_tlb(void)
{
    struct xbar_tlb_config config = { .as = &rig->as, .walk = walk };

    assert_int_equal(tlb_init(&rig->tlb, &config), 0);
    tlb_enter(&rig->tlb);
}

static int set_up(void **state)
{
    (void)state;
    rig = aligned_alloc(64, (sizeof(*rig) + 63) / 64 * 64);
    memset(rig, 0, sizeof(*rig));
    rig->ram_bytes = calloc(PAGES + 1, PAGE);
    rig->spare_bytes = calloc(PAGES, PAGE);
    rig->mask = PAGE - 1;
    for (unsigned i = 0; i < PAGES; i++) {
        rig->to[i] = RAM + i * PAGE;
        rig->perm[i] = IOMMU_RW;
        memset(rig->ram_bytes + i * PAGE, 0x10 + (int)i, PAGE);
        memset(rig->spare_bytes + i * PAGE, 0x20 + (int)i, PAGE);
    }
    rig->engine = xbar_engine_new(NULL);
    assert_int_equal(xbar_engine_enter(rig->engine), 0);
    memory_region_init(&rig->root, NULL, "root", UINT64_MAX);
    memory_region_init(&rig->other_root, NULL, "other", UINT64_MAX);
    memory_region_init_ram_ptr(&rig->ram, NULL, "ram", PAGES * PAGE,
                               rig->ram_bytes);
    memory_region_init_ram_ptr(&rig->spare, NULL, "spare", PAGES * PAGE,
                               rig->spare_bytes);
    memory_region_init_iommu(&rig->iommu, &iommu_class, NULL, "iommu",
                             PAGES * PAGE);
    memory_region_set_enabled(&rig->spare, false);
    memory_region_add_subregion(&rig->other_root, RAM, &rig->ram);
    memory_region_add_subregion_overlap(&rig->other_root, RAM, &rig->spare, 1);
    memory_region_add_subregion(&rig->root, AT, &rig->iommu.parent_obj);
    assert_int_equal(address_space_init(&rig->as, &rig->root, "as"), 0);
    assert_int_equal(address_space_init(&rig->other, &rig->other_root, "other"),
                     0);
    rig->target = &rig->other;
    open_tlb();
    return 0;
}

static int tear_down(void **state)
{
    int err = 0;

    (void)state;
    if (rig->tlb.inbox != NULL) {
        tlb_leave(&rig->tlb);
        tlb_destroy(&rig->tlb);
    }
    assert_int_equal(rig->flags, IOMMU_NOTIFIER_NONE); /* nobody listens */
    err |= xbar_address_space_destroy(&rig->as, NULL, NULL);
    if (rig->other.space != NULL) {
        err |= xbar_address_space_destroy(&rig->other, NULL, NULL);
    }
    if (rig->iommu.parent_obj.engine != NULL) {
        err |= xbar_region_destroy(&rig->iommu.parent_obj, NULL, NULL);
    }
    err |= xbar_region_destroy(&rig->spare, NULL, NULL);
    err |= xbar_region_destroy(&rig->ram, NULL, NULL);
    err |= xbar_region_destroy(&rig->other_root, NULL, NULL);
    err |= xbar_region_destroy(&rig->root, NULL, NULL);
    err |= xbar_engine_leave(rig->engine);
    err |= xbar_engine_free(rig->engine);
    free(rig->ram_bytes);
    free(rig->spare_bytes);
    free(rig);
    return err;
}

static bool hits(unsigned page, enum xbar_tlb_access access)
{
    hwaddr va = AT + page * PAGE;

    return rig->tlb.l1[0][tlb_index(va)].tag[access] == va;
}

/* By the tag if it hits, as emitted code does. */
static uint64_t load(unsigned page)
{
    hwaddr va = AT + page * PAGE;
    uint64_t value = 0;

    if (hits(page, TLB_READ)) {
        return *(uint8_t *)(uintptr_t)(va +
                                       rig->tlb.l1[0][tlb_index(va)].addend);
    }
    if (tlb_load_slow(&rig->tlb, 0, va, 0, &value) != 0) {
        return 0xdead;
    }
    return value;
}

static void warm_up(void)
{
    for (unsigned i = 0; i < PAGES; i++) {
        assert_int_equal(load(i), 0x10 + i);
        assert_true(hits(i, TLB_READ) && hits(i, TLB_WRITE));
        assert_false(hits(i, TLB_EXEC));
    }
}

static void unmap(unsigned page, unsigned count)
{
    IOMMUTLBEvent event = {
        .type = IOMMU_NOTIFIER_UNMAP,
        .entry = { .target_as = rig->target,
                   .iova = page * PAGE,
                   .addr_mask = count * PAGE - 1 },
    };

    assert_int_equal(memory_region_notify_iommu(&rig->iommu, 0, event), 0);
}

static void test_pages_hit(void **state)
{
    unsigned asked;

    (void)state;
    warm_up();
    asked = rig->asked;
    for (unsigned i = 0; i < PAGES; i++) {
        assert_int_equal(load(i), 0x10 + i);
    }
    assert_int_equal(rig->asked, asked); /* nobody was asked again */
    assert_int_equal(rig->flags, IOMMU_NOTIFIER_UNMAP);
}

static void test_permissions(void **state)
{
    (void)state;
    rig->perm[0] = IOMMU_RO;
    rig->perm[1] = IOMMU_WO;
    rig->perm[2] = IOMMU_NONE;
    (void)load(0);
    assert_true(hits(0, TLB_READ) && !hits(0, TLB_WRITE));
    assert_int_equal(load(1), 0xdead);
    assert_true(!hits(1, TLB_READ) && hits(1, TLB_WRITE));
    assert_int_equal(load(2), 0xdead);
    assert_true(!hits(2, TLB_READ) && !hits(2, TLB_WRITE));
    rig->to[3] = 0x1000; /* nothing there */
    assert_int_equal(load(3), 0xdead);
    assert_false(hits(3, TLB_READ));
    memory_region_set_readonly(&rig->ram, true);
    assert_int_equal(load(4), 0x14);
    assert_true(hits(4, TLB_READ) && !hits(4, TLB_WRITE));
}

static void test_a_read_only_path(void **state)
{
    (void)state;
    memory_region_set_readonly(&rig->iommu.parent_obj, true);
    tlb_safepoint(&rig->tlb);
    assert_int_equal(load(0), 0x10);
    assert_true(hits(0, TLB_READ) && !hits(0, TLB_WRITE));
}

/* Just what was unmapped goes. */
static void test_unmap(void **state)
{
    (void)state;
    warm_up();
    rig->to[2] = RAM + 7 * PAGE;
    rig->to[3] = RAM + 6 * PAGE;
    unmap(2, 2);
    tlb_safepoint(&rig->tlb);
    assert_false(hits(2, TLB_READ) || hits(3, TLB_WRITE));
    assert_true(hits(1, TLB_READ) && hits(4, TLB_READ));
    assert_int_equal(load(2), 0x17);
    assert_int_equal(load(3), 0x16);
    rig->perm[2] = IOMMU_NONE;
    unmap(0, PAGES);
    tlb_safepoint(&rig->tlb);
    for (unsigned i = 0; i < PAGES; i++) {
        assert_false(hits(i, TLB_READ));
    }
    assert_int_equal(load(2), 0xdead);
}

static void test_the_target_changes(void **state)
{
    (void)state;
    warm_up();
    memory_region_set_enabled(&rig->spare, true);
    tlb_safepoint(&rig->tlb);
    for (unsigned i = 0; i < PAGES; i++) {
        assert_int_equal(load(i), 0x20 + i);
    }
    memory_region_set_enabled(&rig->spare, false);
    tlb_safepoint(&rig->tlb);
    warm_up();
}

static void test_our_own_space_changes(void **state)
{
    (void)state;
    warm_up();
    /* Half of it is hidden: the other half is a section of its own now. */
    memory_region_set_size(&rig->iommu.parent_obj, 4 * PAGE);
    tlb_safepoint(&rig->tlb);
    assert_int_equal(load(5), 0xdead);
    assert_int_equal(load(1), 0x11);
    assert_true(hits(1, TLB_READ));
    rig->to[1] = RAM;
    unmap(1, 1);
    tlb_safepoint(&rig->tlb);
    assert_int_equal(load(1), 0x10);
    memory_region_set_address(&rig->iommu.parent_obj, AT + PAGE);
    tlb_safepoint(&rig->tlb);
    assert_int_equal(load(0), 0xdead);
    assert_int_equal(load(3), 0x12);
    rig->to[2] = RAM + 5 * PAGE;
    unmap(2, 1);
    tlb_safepoint(&rig->tlb);
    assert_int_equal(load(3), 0x15);
}

/* The IOMMU leads back into the space that it is in. */
static void test_our_own_space_is_the_target(void **state)
{
    MemoryRegion window;

    (void)state;
    memory_region_init_alias(&window, NULL, "window", &rig->other_root, RAM,
                             PAGES * PAGE);
    memory_region_add_subregion(&rig->root, RAM, &window);
    rig->target = &rig->as;
    warm_up();
    memory_region_set_enabled(&rig->spare, true);
    tlb_safepoint(&rig->tlb);
    assert_int_equal(load(3), 0x23);
    assert_true(hits(3, TLB_READ));
    assert_int_equal(xbar_region_destroy(&window, NULL, NULL), -EDEADLK);
    tlb_leave(&rig->tlb);
    assert_int_equal(xbar_region_destroy(&window, NULL, NULL), 0);
    tlb_enter(&rig->tlb);
    assert_int_equal(load(3), 0xdead);
}

static void ignore(struct xbar_read_observer *observer, hwaddr addr,
                   hwaddr length, MemoryRegion *mr, hwaddr offset)
{
    (void)addr;
    (void)length;
    (void)mr;
    (void)offset;
    ++*(unsigned *)&observer->iommu.parent_obj.work;
}

/* What is not kept works as before: by asking each time. */
static void test_what_is_not_kept(void **state)
{
    struct xbar_read_observer observer;

    (void)state;
    rig->mask = 0xff;
    assert_int_equal(load(0), 0x10);
    assert_false(hits(0, TLB_READ));
    rig->mask = PAGE - 1;
    rig->refuses = true;
    assert_int_equal(load(1), 0x11);
    assert_false(hits(1, TLB_READ));
    rig->refuses = false;
    assert_int_equal(load(2), 0x12);
    assert_true(hits(2, TLB_READ));
    assert_int_equal(xbar_read_observer_init(&observer, NULL, "observer",
                                             &rig->other, 0, UINT64_MAX,
                                             ignore),
                     0);
    memory_region_add_subregion_overlap(&rig->root, 0,
                                        &observer.iommu.parent_obj, -1);
    tlb_safepoint(&rig->tlb);
    for (unsigned i = 0; i < 2; i++) {
        uint64_t value;

        assert_int_equal(tlb_load_slow(&rig->tlb, 0, RAM, 0, &value), 0);
        assert_int_equal(value, 0x10);
    }
    assert_int_not_equal(rig->tlb.l1[0][tlb_index(RAM)].tag[TLB_READ], RAM);
    observer.iommu.parent_obj.work = NULL;
    tlb_leave(&rig->tlb);
    assert_int_equal(
        xbar_region_destroy(&observer.iommu.parent_obj, NULL, NULL), 0);
    tlb_enter(&rig->tlb);
}

static void test_dirty_pages(void **state)
{
    uint8_t *host;
    hwaddr va = AT + 3 * PAGE;

    (void)state;
    warm_up();
    assert_int_equal(memory_region_set_log(&rig->ram, true, 0), 0);
    memory_region_reset_dirty(&rig->ram, 0, UINT64_MAX, 0);
    tlb_safepoint(&rig->tlb);
    assert_false(hits(3, TLB_WRITE));
    assert_int_equal(tlb_store_slow(&rig->tlb, 0, va, 0, 0x77), 0);
    assert_true(memory_region_get_dirty(&rig->ram, 3 * PAGE, PAGE, 0));
    assert_false(memory_region_get_dirty(&rig->ram, 0, 3 * PAGE, 0));
    host = rig->ram_bytes + 3 * PAGE;
    assert_int_equal(*host, 0x77);
    assert_int_equal(memory_region_set_log(&rig->ram, false, 0), 0);
}

/* ---- Ends -------------------------------------------------------------- */

/* An address space ends, though a TLB has translations into it. */
static void test_the_target_ends(void **state)
{
    (void)state;
    warm_up();
    assert_int_equal(xbar_address_space_destroy(&rig->other, NULL, NULL),
                     -EDEADLK); /* this thread reads */
    tlb_leave(&rig->tlb);
    rig->target = NULL;
    assert_int_equal(xbar_address_space_destroy(&rig->other, NULL, NULL), 0);
    tlb_enter(&rig->tlb);
    assert_false(hits(0, TLB_READ));
    assert_int_equal(load(0), 0xdead);
    assert_int_equal(rig->flags, IOMMU_NOTIFIER_NONE);
}

static void test_the_iommu_ends(void **state)
{
    (void)state;
    warm_up();
    tlb_leave(&rig->tlb);
    assert_int_equal(xbar_region_destroy(&rig->iommu.parent_obj, NULL, NULL),
                     0);
    assert_int_equal(rig->flags, IOMMU_NOTIFIER_NONE);
    tlb_enter(&rig->tlb);
    assert_int_equal(load(0), 0xdead);
}

/* Nothing is watched that no commit of our space could end. */
static void test_it_leaves_while_it_is_asked(void **state)
{
    (void)state;
    rig->hides = true;
    assert_int_equal(load(0), 0x10); /* the access had begun */
    assert_int_equal(rig->flags, IOMMU_NOTIFIER_NONE);
    tlb_safepoint(&rig->tlb);
    assert_int_equal(load(0), 0xdead);
}

/* More IOMMUs than can be watched: the others are asked each time. */
static void test_many(void **state)
{
    static IOMMUMemoryRegion more[12];
    unsigned kept = 0;

    (void)state;
    for (unsigned i = 0; i < 12; i++) {
        memory_region_init_iommu(&more[i], &iommu_class, NULL, "more",
                                 PAGES * PAGE);
        memory_region_add_subregion(&rig->root, AT + (i + 1) * PAGES * PAGE,
                                    &more[i].parent_obj);
    }
    tlb_safepoint(&rig->tlb);
    for (unsigned i = 0; i < 13; i++) {
        assert_int_equal(load(i * PAGES), 0x10);
        kept += hits(i * PAGES, TLB_READ);
    }
    assert_int_equal(kept, 8);
    tlb_leave(&rig->tlb);
    for (unsigned i = 0; i < 12; i++) {
        assert_int_equal(xbar_region_destroy(&more[i].parent_obj, NULL, NULL),
                         0);
    }
    tlb_enter(&rig->tlb);
}

/* ---- Threads ----------------------------------------------------------- */

#define CHANGES 3000

/*
 * Page 0 leads to one of the pages, which hold their numbers. Another thread
 * moves it, and then says which the vCPU may see from its next safe point on.
 */
static struct {
    uint64_t told;
    bool stops;
    bool did_hit; /* often enough */
} race;

static void *change(void *opaque)
{
    (void)opaque;
    assert_int_equal(xbar_engine_enter(rig->engine), 0);
    for (uint64_t i = 1;
         i <= CHANGES || (i <= 1000 * CHANGES &&
                          !__atomic_load_n(&race.did_hit, __ATOMIC_RELAXED));
         i++) {
        __atomic_store_n(&rig->to[0], RAM + i % PAGES * PAGE, __ATOMIC_RELEASE);
        unmap(0, 1);
        __atomic_store_n(&race.told, i, __ATOMIC_RELEASE);
        if (i % 64 == 0) {
            memory_region_set_enabled(&rig->iommu.parent_obj, false);
            memory_region_set_enabled(&rig->iommu.parent_obj, true);
            memory_region_set_enabled(&rig->spare, true);
            memory_region_set_enabled(&rig->spare, false);
        }
    }
    __atomic_store_n(&race.stops, true, __ATOMIC_RELEASE);
    assert_int_equal(xbar_engine_leave(rig->engine), 0);
    return NULL;
}

/* The number of a change after @since, by the page that was seen? */
static bool is_newer(uint64_t value, uint64_t since, uint64_t now)
{
    for (uint64_t i = since; i <= now + 1 && i <= since + PAGES; i++) {
        if ((value & 0xf) == i % PAGES) {
            return true;
        }
    }
    return false;
}

static void test_changes_by_another_thread(void **state)
{
    uint64_t inline_hits = 0;
    pthread_t thread;

    (void)state;
    race.told = 0;
    race.stops = race.did_hit = false;
    assert_int_equal(load(0), 0x10);
    assert_int_equal(pthread_create(&thread, NULL, change, NULL), 0);
    while (!__atomic_load_n(&race.stops, __ATOMIC_ACQUIRE)) {
        uint64_t since = __atomic_load_n(&race.told, __ATOMIC_ACQUIRE);
        uint64_t value;

        tlb_safepoint(&rig->tlb);
        for (unsigned i = 0; i < 8; i++) {
            inline_hits += hits(0, TLB_READ);
            value = load(0);
            assert_true(
                value == 0xdead ||
                is_newer(value, since,
                         __atomic_load_n(&race.told, __ATOMIC_ACQUIRE)));
        }
        if (inline_hits > 100) {
            __atomic_store_n(&race.did_hit, true, __ATOMIC_RELAXED);
        }
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    tlb_safepoint(&rig->tlb);
    assert_int_equal(load(0), 0x10 + race.told % PAGES);
    assert_true(inline_hits > 100);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_pages_hit),
        TEST(test_permissions),
        TEST(test_a_read_only_path),
        TEST(test_unmap),
        TEST(test_the_target_changes),
        TEST(test_our_own_space_changes),
        TEST(test_our_own_space_is_the_target),
        TEST(test_what_is_not_kept),
        TEST(test_dirty_pages),
        TEST(test_the_target_ends),
        TEST(test_the_iommu_ends),
        TEST(test_it_leaves_while_it_is_asked),
        TEST(test_many),
        TEST(test_changes_by_another_thread),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
