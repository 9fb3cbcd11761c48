/* SPDX-License-Identifier: MIT */
/*
 * Accesses that are checked together, while another thread puts other memory in
 * the place of the page that they are of. Between their check and them is no
 * safe point, so it holds for all of them what holds for one:
 *
 *     hart                                    writer, for g = 1, 2, ...
 *     ----                                    ------
 *     least = what the device says            PAGE shows RAM that says g, or a
 *     n times: 5 loads, 4 stores,               device that does, or RAM's own
 *       4 loads are of PAGE: >= least         the device says g
 *                                             what was there ends: it is taken
 *                                               away from the process
 *
 * Who comes too late finds no memory, or a device that says 0; who stays too
 * long finds what is too old. In the second scene the page stays, and the memory
 * is logged now and then, and its dirty bits are cleared: each time, the stores
 * have to be told again.
 */
#include "tests/unit/riscv/runner.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "encode.h"
#include "engine/rcu.h"
#include "flatview/dirty_bitmap.h"
#include "tests/guest/insn_scale.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#define PAGE      0x100000u /* in RAM */
#define SLOTS     8u
#define WORDS     (TLB_PAGE_SIZE / sizeof(uint64_t))
#define NOT_BEGUN 4 /* the exit status of a child */
#define TIMEOUT   60000000000u

/* What the hart finds in the I/O page, and says there. */
#define NEWEST 0
#define SEEN   8
#define FAILED 16

enum {
    INNER = 7, /* times, of one look at the device */
    AT = 8,    /* PAGE */
    IO = 9,
    LEFT = 17,
    BEHIND = 18, /* the page behind it */
    LEAST = 20,
    LATER = 21, /* the same, or looked up amid the loads */
    ROUND = 22,
    LOOKS = 23,
};

enum { LOADS = 5, STORES = 4 }; /* in a round */

/* Something that PAGE shows. */
struct slot {
    MemoryRegion mr;
    uint64_t *memory;  /* PROT_NONE while nobody shows it */
    uint64_t *says;    /* a device's, from malloc() */
    bool is_shown;     /* is a subregion */
    atomic_bool ended; /* may be used again */
};

struct scene {
    struct rig rig;
    struct xbar_tlb_counts counts;
    struct slot slots[SLOTS];
    struct slot *shown; /* NULL: what RAM itself has there */
    atomic_ulong newest;
    atomic_ulong seen;
    atomic_bool failed;
    uint64_t seed;
    uint64_t pages[2][RIG_RAM_SIZE / TLB_PAGE_SIZE];
};

/* ---- The guest --------------------------------------------------------- */

static void load_guest(struct scene *s, uint64_t inner, bool amid)
{
    const uint32_t code[] = {
        encode(RISCV_OP_LD, LEAST, IO, 0, NEWEST),
        insn_addi(LEFT, INNER, 0),
        /* a round */
        encode(RISCV_OP_LD, 10, AT, 0, 0),
        encode(RISCV_OP_LD, 11, AT, 0, 8),
        amid ? encode(RISCV_OP_LD, LATER, IO, 0, NEWEST)
             : insn_addi(LATER, LEAST, 0),
        encode(RISCV_OP_LD, 12, AT, 0, 2040),
        encode(RISCV_OP_LD, 13, BEHIND, 0, -8),
        encode(RISCV_OP_LD, 14, BEHIND, 0, 0),
        insn_addi(ROUND, ROUND, 1),
        encode(RISCV_OP_SD, 0, AT, ROUND, 0x100),
        encode(RISCV_OP_SD, 0, AT, ROUND, 0x108),
        encode(RISCV_OP_SD, 0, BEHIND, ROUND, -0x18),
        encode(RISCV_OP_SD, 0, BEHIND, ROUND, 0x18),
        encode(RISCV_OP_BLTU, 0, 10, LEAST, 36),
        encode(RISCV_OP_BLTU, 0, 11, LEAST, 32),
        encode(RISCV_OP_BLTU, 0, 12, LATER, 28),
        encode(RISCV_OP_BLTU, 0, 13, LATER, 24),
        insn_addi(LEFT, LEFT, -1),
        encode(RISCV_OP_BNE, 0, LEFT, 0, -16 * 4),
        insn_addi(LOOKS, LOOKS, 1),
        encode(RISCV_OP_SD, 0, IO, LEAST, SEEN),
        encode(RISCV_OP_JAL, 0, 0, 0, -21 * 4),
        encode(RISCV_OP_SD, 0, IO, LEAST, FAILED),
        INSN_SELF,
    };
    struct xbar_riscv_hart *hart = s->rig.hart;

    rig_code(&s->rig, 0, code, COUNT(code));
    hart->x[INNER] = inner;
    hart->x[AT] = RIG_RAM + PAGE;
    hart->x[BEHIND] = RIG_RAM + PAGE + TLB_PAGE_SIZE;
    hart->x[IO] = RIG_IO;
}

static void *run_hart(void *opaque)
{
    struct scene *s = opaque;

    xbar_riscv_run(s->rig.hart, UINT64_MAX);
    return NULL;
}

/* A device of one word, which goes away with it. */
static uint64_t say(void *opaque, hwaddr addr, unsigned size)
{
    (void)addr;
    (void)size;
    return *(const uint64_t *)opaque;
}

static void hear(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    (void)addr;
    (void)size;
    (void)value;
    *(volatile uint64_t *)opaque += 0; /* is it there? */
}

static const MemoryRegionOps device_ops = {
    .read = say,
    .write = hear,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .impl = { .max_access_size = 8 },
};

static uint64_t say_newest(void *opaque, hwaddr addr, unsigned size)
{
    struct scene *s = opaque;

    (void)addr;
    (void)size;
    return atomic_load(&s->newest);
}

static void hear_seen(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    struct scene *s = opaque;

    (void)size;
    if (addr == FAILED) {
        atomic_store(&s->failed, true);
    } else {
        atomic_store(&s->seen, value);
    }
}

static const MemoryRegionOps board_ops = {
    .read = say_newest,
    .write = hear_seen,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .impl = { .max_access_size = 8 },
};

/* ---- The writer -------------------------------------------------------- */

static void fill(uint64_t *memory, uint64_t value)
{
    for (unsigned i = 0; i < WORDS; i++) {
        tlb_ram_store(&memory[i], 3, value);
    }
}

static void end_slot(MemoryRegion *mr, void *opaque)
{
    struct slot *slot = opaque;

    (void)mr;
    if (slot->says != NULL) {
        *slot->says = 0;
        free(slot->says);
        slot->says = NULL;
    } else {
        mprotect(slot->memory, TLB_PAGE_SIZE, PROT_NONE);
    }
    atomic_store(&slot->ended, true);
}

static struct slot *free_slot(struct scene *s)
{
    for (unsigned i = 0; i < SLOTS; i++) {
        if (atomic_load(&s->slots[i].ended)) {
            return &s->slots[i];
        }
    }
    return NULL;
}

static void init_slot(struct slot *slot, uint64_t value, bool is_device)
{
    atomic_store(&slot->ended, false);
    if (is_device) {
        slot->says = malloc(sizeof(*slot->says));
        assert_non_null(slot->says);
        *slot->says = value;
        rig_init_plain(&slot->mr, &device_ops, slot->says, "device",
                       TLB_PAGE_SIZE);
        return;
    }
    assert_int_equal(
        mprotect(slot->memory, TLB_PAGE_SIZE, PROT_READ | PROT_WRITE), 0);
    fill(slot->memory, value);
    assert_int_equal(memory_region_init_ram_ptr(&slot->mr, NULL, "other",
                                                TLB_PAGE_SIZE, slot->memory),
                     0);
}

/* In one commit. @next: NULL for what RAM itself has. */
static void show(struct scene *s, struct slot *next)
{
    memory_region_transaction_begin();
    if (s->shown != NULL) {
        memory_region_del_subregion(&s->rig.root, &s->shown->mr);
    }
    if (next != NULL) {
        memory_region_add_subregion_overlap(&s->rig.root, RIG_RAM + PAGE,
                                            &next->mr, 1);
    }
    assert_int_equal(memory_region_transaction_commit(), 0);
}

/* Return: false if all slots wait for a grace period. */
static bool replace(struct scene *s)
{
    uint64_t g = atomic_load(&s->newest) + 1, random = rig_random(&s->seed);
    struct slot *before = s->shown;
    struct slot *next = before != NULL && random % 3 == 0 ? NULL : free_slot(s);

    if (next != NULL) {
        init_slot(next, g, random / 3 % 3 == 0);
    } else if (before != NULL) {
        fill((uint64_t *)(s->rig.mem + PAGE), g);
    } else {
        return false;
    }
    show(s, next);
    s->shown = next;
    atomic_store(&s->newest, g);
    if (before != NULL) {
        xbar_region_destroy(&before->mr, end_slot, before);
    }
    return true;
}

/* ---- The scene --------------------------------------------------------- */

static void map_slots(struct scene *s)
{
    for (unsigned i = 0; i < SLOTS; i++) {
        struct slot *slot = &s->slots[i];

        slot->memory = mmap(NULL, TLB_PAGE_SIZE, PROT_NONE,
                            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        assert_ptr_not_equal(slot->memory, MAP_FAILED);
        atomic_store(&slot->ended, true);
    }
}

static struct scene *open_scene(unsigned stress, bool counts)
{
    struct scene *s = test_calloc(1, sizeof(*s));
    const struct xbar_riscv_config config = {
        .stress = stress,
        .counts = counts ? &s->counts : NULL,
    };

    s->seed = 41 + stress;
    s->counts.ram = &s->rig.ram;
    s->counts.pages[0] = s->pages[0];
    s->counts.pages[1] = s->pages[1];
    rig_open_with(&s->rig, &config);
    assert_int_equal(xbar_engine_enter(s->rig.engine), 0);
    xbar_region_destroy(&s->rig.io, NULL, NULL);
    rig_init_plain(&s->rig.io, &board_ops, s, "board", TLB_PAGE_SIZE);
    memory_region_add_subregion(&s->rig.root, RIG_IO, &s->rig.io);
    map_slots(s);
    return s;
}

static void close_scene(struct scene *s)
{
    if (s->shown != NULL) {
        xbar_region_destroy(&s->shown->mr, end_slot, s->shown);
    }
    for (unsigned i = 0; i < SLOTS; i++) {
        while (!atomic_load(&s->slots[i].ended)) {
            xbar_engine_reclaim(s->rig.engine);
        }
        munmap(s->slots[i].memory, TLB_PAGE_SIZE);
    }
    xbar_engine_leave(s->rig.engine);
    rig_close(&s->rig);
    test_free(s);
}

static void stop_hart(struct scene *s, pthread_t thread)
{
    xbar_riscv_request_exit(s->rig.hart);
    pthread_join(thread, NULL);
    assert_false(atomic_load(&s->failed));
}

/* Every access is counted once, whatever it was of. */
static void check_counts(struct scene *s, bool amid)
{
    struct xbar_riscv_hart *hart = s->rig.hart;
    const unsigned each[] = { LOADS + amid, STORES };

    while (hart->pc != RIG_RAM) { /* to where a look begins */
        assert_int_equal(xbar_riscv_run(hart, 1), XBAR_RISCV_EXIT_BUDGET);
    }
    for (unsigned access = TLB_READ; access <= TLB_WRITE; access++) {
        uint64_t sum = s->counts.elsewhere[access][3];

        for (unsigned i = 0; i < COUNT(s->pages[access]); i++) {
            sum += s->pages[access][i];
        }
        assert_int_equal(sum, hart->x[ROUND] * each[access] + hart->x[LOOKS]);
    }
}

/* ---- Other memory ------------------------------------------------------ */

/* So that the hart comes to use what there is, now and then. */
static void dwell(struct scene *s, uint64_t begin)
{
    uint64_t wanted = atomic_load(&s->newest);

    if (rig_random(&s->seed) % 4 == 0) {
        while (atomic_load(&s->seen) < wanted && !atomic_load(&s->failed) &&
               now_ns() - begin < TIMEOUT) {
            sched_yield();
        }
    }
}

/* @changes of what the page shows, half of them seen by the hart. */
static void replace_for_a_while(struct scene *s, uint64_t changes)
{
    uint64_t begin = now_ns();

    while (atomic_load(&s->newest) < changes && !atomic_load(&s->failed) &&
           now_ns() - begin < TIMEOUT) {
        if (!replace(s) || rig_random(&s->seed) % 4 == 0) {
            xbar_engine_reclaim(s->rig.engine);
        }
        dwell(s, begin);
    }
}

struct variant {
    enum xbar_riscv_engine engine;
    unsigned stress;
    bool counts;
    bool amid; /* a device is read amid the loads of a page */
    uint64_t inner;
};

static void run_variant(const struct variant *v)
{
    struct scene *s = open_scene(v->stress, v->counts);
    uint64_t changes = insn_scale(400);
    pthread_t thread;

    load_guest(s, v->inner, v->amid);
    assert_int_equal(xbar_riscv_set_engine(s->rig.hart, v->engine), 0);
    assert_int_equal(pthread_create(&thread, NULL, run_hart, s), 0);
    replace_for_a_while(s, changes);
    stop_hart(s, thread);
    assert_true(atomic_load(&s->seen) >= changes / 2);
    if (v->counts) {
        check_counts(s, v->amid);
    }
    close_scene(s);
}

#define SPAN   XBAR_RISCV_STRESS_SPAN
#define REGION XBAR_RISCV_STRESS_REGION

static const struct variant variants[] = {
    { XBAR_RISCV_JIT, SPAN, false, false, 8 },
    { XBAR_RISCV_JIT, SPAN, false, true, 8 },
    { XBAR_RISCV_JIT, SPAN, false, false, 500 },
    { XBAR_RISCV_JIT, SPAN | REGION, false, false, 500 },
    { XBAR_RISCV_JIT, SPAN | REGION, false, true, 100 },
    { XBAR_RISCV_JIT, SPAN | XBAR_RISCV_STRESS_TLB, false, false, 8 },
    { XBAR_RISCV_JIT, 0, false, false, 500 },
    { XBAR_RISCV_JIT, SPAN, true, false, 8 },
    { XBAR_RISCV_JIT, SPAN | REGION, true, true, 100 },
    { XBAR_RISCV_INTERP, SPAN, false, false, 8 },
    { XBAR_RISCV_INTERP, SPAN, true, true, 8 },
};

static void test_other_memory(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COUNT(variants); i++) {
        if (variants[i].engine == XBAR_RISCV_INTERP || has_translator()) {
            run_variant(&variants[i]);
        }
    }
}

/* ---- Dirty bits -------------------------------------------------------- */

static bool is_dirty(struct scene *s, unsigned page)
{
    return memory_region_get_dirty(&s->rig.ram, PAGE + page * TLB_PAGE_SIZE,
                                   TLB_PAGE_SIZE, DIRTY_MEMORY_VGA);
}

/* The hart has looked at the device, and gone all its rounds. */
static bool wait_for_hart(struct scene *s, uint64_t begin)
{
    uint64_t g = atomic_load(&s->newest) + 1;

    atomic_store(&s->newest, g);
    while (atomic_load(&s->seen) < g && now_ns() - begin < TIMEOUT) {
        sched_yield();
    }
    return atomic_load(&s->seen) >= g;
}

/* Return: the stores that the hart made since were told. */
static bool clear_and_wait(struct scene *s, uint64_t begin)
{
    memory_region_reset_dirty(&s->rig.ram, PAGE, 2 * TLB_PAGE_SIZE,
                              DIRTY_MEMORY_VGA);
    return wait_for_hart(s, begin) && is_dirty(s, 0) && is_dirty(s, 1);
}

/* What is not logged is stored to by whatever way is shortest. The first time,
 * pages are marked of which that is known; the second time, none is. */
static bool log_for_a_while(struct scene *s, uint64_t begin)
{
    bool told = wait_for_hart(s, begin);

    memory_region_set_log(&s->rig.ram, true, DIRTY_MEMORY_VGA);
    for (unsigned i = 0; i < 3; i++) {
        told = told && clear_and_wait(s, begin);
    }
    memory_region_set_log(&s->rig.ram, false, DIRTY_MEMORY_VGA);
    return told;
}

static void write_to_logged(const struct variant *v, uint64_t times)
{
    struct scene *s = open_scene(v->stress, v->counts);
    uint64_t begin = now_ns(), told = 0;
    pthread_t thread;

    load_guest(s, v->inner, v->amid);
    fill((uint64_t *)(s->rig.mem + PAGE), UINT64_MAX);
    assert_int_equal(xbar_riscv_set_engine(s->rig.hart, v->engine), 0);
    assert_int_equal(pthread_create(&thread, NULL, run_hart, s), 0);
    while (told < times && log_for_a_while(s, begin)) {
        told++;
    }
    stop_hart(s, thread);
    assert_int_equal(told, times);
    close_scene(s);
}

static void test_dirty_bits(void **state)
{
    (void)state;
    for (unsigned i = 0; i < COUNT(variants); i++) {
        if (variants[i].engine == XBAR_RISCV_INTERP || has_translator()) {
            write_to_logged(&variants[i], insn_scale(40));
        }
    }
}

/* ---- Would it be noticed? ---------------------------------------------- */

static void skip_grace_period(void)
{
}

/* In a process of its own, which is to die of it. Return: the exit status if it
 * does not. */
static int replace_too_early(void)
{
    struct scene *s = open_scene(SPAN, false);
    uint64_t begin = now_ns();
    pthread_t thread;

    alarm(2 * TIMEOUT / 1000000000);
    load_guest(s, 5000, false);
    (void)freopen("/dev/null", "w", stderr); /* what sanitizers say of it */
    xbar_rcu_synchronize_hook = skip_grace_period;
    if (xbar_riscv_set_engine(s->rig.hart, XBAR_RISCV_JIT) != 0 ||
        pthread_create(&thread, NULL, run_hart, s) != 0) {
        return NOT_BEGUN;
    }
    while (now_ns() - begin < TIMEOUT) {
        (void)replace(s);
        dwell(s, begin);
        xbar_engine_reclaim(s->rig.engine);
    }
    return 0;
}

static void test_a_skipped_grace_period_is_noticed(void **state)
{
    int status;
    pid_t child;

    (void)state;
    if (!has_translator()) {
        return;
    }
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        _exit(replace_too_early());
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_not_equal(WTERMSIG(status), SIGALRM);
    assert_int_not_equal(WEXITSTATUS(status), NOT_BEGUN);
    assert_int_not_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        /* a fork, while there is one thread */
        cmocka_unit_test(test_a_skipped_grace_period_is_noticed),
        cmocka_unit_test(test_other_memory),
        cmocka_unit_test(test_dirty_bits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
