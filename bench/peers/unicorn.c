/* SPDX-License-Identifier: MIT */
/*
 * xbar_bench_unicorn: what Unicorn charges for what regions/, flatview/ and
 * access/ measure of xbar: reads among many mappings, changing one, and making
 * them one after the other.
 *
 * Mappings are pages, 64 KiB apart, as in ../world.h. An engine with a
 * thousand of them takes seconds to make, so that rows share it.
 */
#include "unicorn.h"

#include <stdlib.h>
#include <unicorn/unicorn.h>

#define PAGE      4096u
#define STRIDE    0x10000u
#define FIRST     (UINT64_C(1) << 36)
#define ADDRESSES 4096u

enum kind {
    RAM,
    MMIO,
};

struct mappings {
    uc_engine *uc;
    enum kind kind;
    uint64_t count;
    uint64_t writes;
    uint64_t last;  /* written to a device */
    uint32_t *page; /* behind all RAM: words that hold their own offset */
    const char *wrong;
    uint64_t address[ADDRESSES];
};

#define ARG(kind, n) ((int64_t)(n) << 4 | (kind))

static uint64_t mmio_read(uc_engine *uc, uint64_t offset, unsigned size,
                          void *opaque)
{
    (void)uc;
    (void)size;
    (void)opaque;
    return offset;
}

static void mmio_write(uc_engine *uc, uint64_t offset, unsigned size,
                       uint64_t value, void *opaque)
{
    struct mappings *m = opaque;

    (void)uc;
    (void)offset;
    (void)size;
    m->last = value;
    m->writes++;
}

static bool map_one(struct mappings *m, uint64_t i)
{
    const uint64_t at = FIRST + i * STRIDE;

    if (m->kind == RAM) {
        return uc_mem_map_ptr(m->uc, at, PAGE, UC_PROT_ALL, m->page) ==
               UC_ERR_OK;
    }
    return uc_mmio_map(m->uc, at, PAGE, mmio_read, m, mmio_write, m) ==
           UC_ERR_OK;
}

static struct mappings *mappings_new(enum kind kind, uint64_t count)
{
    struct mappings *m = calloc(1, sizeof(*m));
    uint64_t seed = BENCH_SEED;

    if (!m || posix_memalign((void **)&m->page, PAGE, PAGE) ||
        uc_open(UC_ARCH_RISCV, UC_MODE_RISCV64, &m->uc) != UC_ERR_OK) {
        return NULL;
    }
    m->kind = kind;
    m->count = count;
    for (uint32_t i = 0; i < PAGE / 4; i++) {
        m->page[i] = i * 4;
    }
    for (uint64_t i = 0; i < count; i++) {
        if (!map_one(m, i)) {
            return NULL;
        }
    }
    for (unsigned i = 0; i < ADDRESSES; i++) {
        const uint64_t x = bench_random(&seed);

        m->address[i] =
            FIRST + x % count * STRIDE + ((x >> 50) % PAGE & ~UINT64_C(3));
    }
    return m;
}

/* ---- Shared by rows ---------------------------------------------------- */

static struct mappings *shared;

static void shared_end(void)
{
    if (shared) {
        uc_close(shared->uc);
        free(shared->page);
        free(shared);
    }
    shared = NULL;
}

static void *setup(int64_t arg)
{
    const enum kind kind = (enum kind)(arg & 15);
    const uint64_t count = (uint64_t)arg >> 4;

    if (!shared || shared->kind != kind || shared->count != count) {
        shared_end();
        shared = mappings_new(kind, count);
    }
    return shared;
}

static const char *check(void *context)
{
    const struct mappings *m = context;

    return m->wrong;
}

/* ---- Rows -------------------------------------------------------------- */

static void read_many(struct mappings *m, unsigned mask, uint64_t operations)
{
    uint64_t sum = 0;
    uint64_t expected = 0;

    for (uint64_t i = 0; i < operations; i++) {
        const uint64_t at = m->address[i & mask];
        uint32_t value = 0;

        uc_mem_read(m->uc, at, &value, sizeof(value));
        sum += value;
        expected += at % PAGE;
    }
    if (sum != expected) {
        m->wrong = "reads gave wrong values";
    }
}

static void run_read_repeat(void *context, uint64_t operations)
{
    read_many(context, 0, operations);
}

static void run_read_random(void *context, uint64_t operations)
{
    read_many(context, ADDRESSES - 1, operations);
}

/* To an address whose word is then what it was. */
static void run_write(void *context, uint64_t operations)
{
    struct mappings *m = context;
    const uint64_t at = m->address[0];
    uint32_t value = 0;

    m->writes = 0;
    for (uint64_t i = 0; i < operations; i++) {
        value = (uint32_t)(i + 1 == operations ? at % PAGE : i);
        uc_mem_write(m->uc, at, &value, sizeof(value));
    }
    if (m->kind == RAM ? m->page[at % PAGE / 4] != value
                       : m->writes != operations || m->last != value) {
        m->wrong = "writes did not arrive";
    }
}

/* One mapping in the middle goes, or comes back; then it reads as before. */
static void run_map(void *context, uint64_t operations)
{
    struct mappings *m = context;
    const uint64_t i = m->count / 2;
    uint32_t value = 0;
    bool ok = true;

    for (uint64_t k = 0; k < operations / 2; k++) {
        ok &= uc_mem_unmap(m->uc, FIRST + i * STRIDE, PAGE) == UC_ERR_OK;
        ok &= map_one(m, i);
    }
    if (!ok ||
        uc_mem_read(m->uc, FIRST + i * STRIDE + 64, &value, sizeof(value)) ||
        value != 64) {
        m->wrong = "a mapping could not be changed";
    }
}

/* ---- Building ---------------------------------------------------------- */

static void *setup_empty(int64_t arg)
{
    struct mappings *m = mappings_new((enum kind)(arg & 15), 1);

    shared_end(); /* two engines of a thousand would be in each other's way */
    if (m) {
        m->count = (uint64_t)arg >> 4;
    }
    return m;
}

static void teardown_empty(void *context)
{
    struct mappings *m = context;

    uc_close(m->uc);
    free(m->page);
    free(m);
}

static void prepare_empty(void *context)
{
    struct mappings *m = context;

    uc_close(m->uc);
    if (uc_open(UC_ARCH_RISCV, UC_MODE_RISCV64, &m->uc) != UC_ERR_OK) {
        m->wrong = "an engine could not be made";
    }
}

/* One call is one operation for each mapping. */
static void run_map_all(void *context, uint64_t operations)
{
    struct mappings *m = context;
    uint32_t value = 0;
    bool ok = true;

    for (uint64_t i = 0; i < operations; i++) {
        ok &= map_one(m, i);
    }
    if (!ok ||
        uc_mem_read(m->uc, FIRST + (operations - 1) * STRIDE + 64, &value,
                    sizeof(value)) ||
        value != 64) {
        m->wrong = "a mapping could not be made";
    }
}

#define BUILD(label, kind, n)                                            \
    {                                                                    \
        .name = label "/" #n, .arg = ARG(kind, n), .setup = setup_empty, \
        .prepare = prepare_empty, .run = run_map_all,                    \
        .teardown = teardown_empty, .check = check, .batch = (n)         \
    }

#define ROW(label, kind, n, function, size)                                  \
    {                                                                        \
        .name = label, .arg = ARG(kind, n), .setup = setup, .run = function, \
        .check = check, .batch = (size)                                      \
    }
#define RAM_ROWS(n)                                                    \
    ROW("unicorn/read/repeat/" #n, RAM, n, run_read_repeat, 4096),     \
        ROW("unicorn/read/random/" #n, RAM, n, run_read_random, 4096), \
        ROW("unicorn/map_ram/" #n, RAM, n, run_map, 8)
#define MMIO_ROWS(n)                                                         \
    ROW("unicorn/mmio_read/repeat/" #n, MMIO, n, run_read_repeat, 4096),     \
        ROW("unicorn/mmio_read/random/" #n, MMIO, n, run_read_random, 4096), \
        ROW("unicorn/map_mmio/" #n, MMIO, n, run_map, 8)

static const struct bench rows[] = {
    ROW("unicorn/write/repeat/1", RAM, 1, run_write, 4096),
    RAM_ROWS(1),
    RAM_ROWS(10),
    RAM_ROWS(100),
    RAM_ROWS(1000),
    BUILD("unicorn/build_ram", RAM, 1000),
    BUILD("unicorn/build_mmio", MMIO, 1000),
    ROW("unicorn/mmio_write/repeat/1", MMIO, 1, run_write, 4096),
    MMIO_ROWS(1),
    MMIO_ROWS(10),
    MMIO_ROWS(100),
    MMIO_ROWS(1000),
};

int main(int argc, char **argv)
{
    int status;

    gbench_register(bench_unicorn_run.rows, bench_unicorn_run.count);
#ifdef XBAR_BENCH_PLUG
    gbench_register(bench_unicorn_plug.rows, bench_unicorn_plug.count);
#endif
    gbench_register(rows, sizeof(rows) / sizeof(rows[0]));
    status = gbench_main(argc, argv);
    shared_end();
    return status;
}
