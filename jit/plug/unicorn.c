/* SPDX-License-Identifier: MIT */
#include "jit/plug/unicorn.h"

#include <errno.h>

#include "engine/check.h"
#include "engine/commit.h"
#include "engine/engine.h"
#include "engine/plan.h"
#include "engine/rcu.h"
#include "flatview/dirty_bitmap.h"
#include "jit/plug/client.h"
#include "jit/plug/unicorn_internal.h"

#define MIN_MAPPINGS 4u
#define ARM_THUMB    (1u << 5) /* in cpsr */

/* ---- The listener ------------------------------------------------------ */

static struct xbar_unicorn *of_listener(MemoryListener *listener)
{
    return xbar_container_of(listener, struct xbar_unicorn, listener);
}

static void on_section(MemoryListener *listener, MemoryRegionSection *section)
{
    struct xbar_unicorn *plug = of_listener(listener);
    uint64_t first = section->offset_within_address_space;
    uint64_t last = first + (uint64_t)(section->size - 1);

    pthread_mutex_lock(&plug->lock);
    for (unsigned i = 0; i < plug->used; i++) {
        struct unicorn_mapping *m = &plug->table[i];

        if (m->kind != UNICORN_FREE && first <= m->last && last >= m->first) {
            xbar_leaf_forget(&m->leaf);
            __atomic_store_n(&m->is_stale, true, __ATOMIC_RELEASE);
            __atomic_store_n(&plug->seen_changes, NOT_SEEN, __ATOMIC_RELEASE);
            plug->pending = true;
        }
    }
    pthread_mutex_unlock(&plug->lock);
}

/* Event notifiers, queued writes and their order are in a plan of the region's
 * own, of which no listener is told. */
static void forget_deferred(struct xbar_unicorn *plug)
{
    pthread_mutex_lock(&plug->lock);
    for (unsigned i = 0; i < plug->used; i++) {
        struct unicorn_mapping *m = &plug->table[i];

        if (m->kind == UNICORN_DEVICE && m->mr != NULL &&
            xbar_region_plan(m->mr)->is_deferred) {
            xbar_leaf_forget(&m->leaf);
        }
    }
    pthread_mutex_unlock(&plug->lock);
}

/* Outside of a run nobody uses stale regions: let one go, if there is any. */
static bool let_one_go(struct xbar_unicorn *plug)
{
    MemoryRegion *mr = NULL;
    bool is_logged = false;
    unsigned used;

    pthread_mutex_lock(&plug->lock);
    used = plug->pending && !plug->is_running ? plug->used : 0;
    for (unsigned i = 0; i < used; i++) {
        struct unicorn_mapping *m = &plug->table[i];

        if (m->is_stale && m->mr != NULL) {
            mr = m->mr;
            is_logged = m->is_logged;
            m->mr = NULL;
            m->is_logged = false;
            break;
        }
    }
    pthread_mutex_unlock(&plug->lock);
    unicorn__let_go(plug, mr, is_logged);
    return mr != NULL;
}

static void on_commit(MemoryListener *listener)
{
    struct xbar_unicorn *plug = of_listener(listener);

    forget_deferred(plug);
    while (let_one_go(plug)) {
    }
}

static void on_log_sync(MemoryListener *listener)
{
    unicorn__report_stored_again(of_listener(listener));
}

/* ---- Making and ending ------------------------------------------------- */

/* Unicorn's number of the program counter; -1 if there is none here. */
static int pc_of(uc_engine *uc)
{
    size_t arch = 0;
    size_t mode = 0;

    if (uc_query(uc, UC_QUERY_ARCH, &arch) != UC_ERR_OK ||
        uc_query(uc, UC_QUERY_MODE, &mode) != UC_ERR_OK) {
        return -1;
    }
    switch (arch) {
    case UC_ARCH_ARM:
        return UC_ARM_REG_PC;
    case UC_ARCH_ARM64:
        return UC_ARM64_REG_PC;
    case UC_ARCH_MIPS:
        return UC_MIPS_REG_PC;
    case UC_ARCH_X86:
        return mode & UC_MODE_64 ? UC_X86_REG_RIP : UC_X86_REG_EIP;
    case UC_ARCH_PPC:
        return UC_PPC_REG_PC;
    case UC_ARCH_SPARC:
        return UC_SPARC_REG_PC;
    case UC_ARCH_M68K:
        return UC_M68K_REG_PC;
    case UC_ARCH_RISCV:
        return UC_RISCV_REG_PC;
    case UC_ARCH_S390X:
        return UC_S390X_REG_PC;
    case UC_ARCH_TRICORE:
        return UC_TRICORE_REG_PC;
    default:
        return -1;
    }
}

/* Unicorn 2.0 ends the process at one more: it has as many sections as a page of
 * the guest's has bytes, and one of them is all that is not mapped. */
static size_t most_mappings(uc_engine *uc)
{
    size_t page = 0;

    return uc_query(uc, UC_QUERY_PAGE_SIZE, &page) == UC_ERR_OK && page != 0
               ? page - 1
               : XBAR_UNICORN_MAPPINGS;
}

static bool check_config(const struct xbar_unicorn_config *config, Error **errp)
{
    const char *wrong = NULL;

    if (config->as == NULL || config->uc == NULL) {
        wrong = "no address space, or no Unicorn engine";
    } else if (config->max_mappings != 0 &&
               config->max_mappings < MIN_MAPPINGS) {
        wrong = "fewer than 4 mappings";
    } else if (config->max_mappings > most_mappings(config->uc)) {
        wrong = "more mappings than Unicorn can have";
    }
    if (wrong != NULL) {
        error_setg(errp, "unicorn adapter: %s", wrong);
    }
    return wrong == NULL;
}

static void free_memory(struct xbar_unicorn *plug)
{
    struct xbar_engine *engine = plug->engine;

    pthread_mutex_destroy(&plug->lock);
    xbar_engine_release(engine, plug->table, plug->max * sizeof(*plug->table));
    xbar_engine_release(engine, plug, sizeof(*plug));
}

static struct xbar_unicorn *make(const struct xbar_unicorn_config *config)
{
    struct xbar_engine *engine = xbar_address_space_engine(config->as);
    struct xbar_unicorn *plug = xbar_engine_allocate(engine, sizeof(*plug));

    if (plug == NULL) {
        return NULL;
    }
    if (pthread_mutex_init(&plug->lock, NULL) != 0) {
        xbar_engine_release(engine, plug, sizeof(*plug));
        return NULL;
    }
    plug->engine = engine;
    plug->as = config->as;
    plug->uc = config->uc;
    plug->config = *config;
    plug->max =
        config->max_mappings ? config->max_mappings : XBAR_UNICORN_MAPPINGS;
    plug->order = xbar_engine_is_big_endian(engine) ? MO_BE : MO_LE;
    plug->pc = pc_of(config->uc);
    plug->changes = xbar_dirty_changes(engine);
    plug->seen_changes = __atomic_load_n(plug->changes, __ATOMIC_ACQUIRE);
    plug->client = plug_client_new(PLUG_CLIENT_UNICORN);
    plug->table =
        xbar_engine_allocate(engine, plug->max * sizeof(*plug->table));
    if (plug->table == NULL) {
        free_memory(plug);
        return NULL;
    }
    return plug;
}

struct xbar_unicorn *xbar_unicorn_new(const struct xbar_unicorn_config *config,
                                      Error **errp)
{
    struct xbar_unicorn *plug;
    uc_err err;
    int rc;

    if (!check_config(config, errp)) {
        return NULL;
    }
    plug = make(config);
    if (plug == NULL) {
        error_setg(errp, "unicorn adapter: no memory");
        return NULL;
    }
    err = unicorn__add_hooks(plug);
    if (err != UC_ERR_OK) {
        error_setg(errp, "Unicorn refuses a hook: %s", uc_strerror(err));
        goto fail;
    }
    plug->listener = (MemoryListener){
        .region_add = on_section,
        .region_del = on_section,
        .commit = on_commit,
        .log_sync_global = config->track_dirty ? on_log_sync : NULL,
        .name = "unicorn",
    };
    rc = memory_listener_register(&plug->listener, plug->as);
    if (rc != 0) {
        error_setg(errp, "unicorn adapter: the address space takes no "
                         "listener; was it destroyed?");
        goto fail;
    }
    return plug;

fail:
    unicorn__remove_hooks(plug);
    free_memory(plug);
    return NULL;
}

static bool set_running(struct xbar_unicorn *plug)
{
    bool was_running;

    pthread_mutex_lock(&plug->lock);
    was_running = plug->is_running;
    plug->is_running = true;
    pthread_mutex_unlock(&plug->lock);
    return !was_running;
}

static void clear_running(struct xbar_unicorn *plug)
{
    pthread_mutex_lock(&plug->lock);
    plug->is_running = false;
    pthread_mutex_unlock(&plug->lock);
    on_commit(&plug->listener); /* for what came in between */
}

int xbar_unicorn_free(struct xbar_unicorn *plug)
{
    if (plug == NULL) {
        return 0;
    }
    if (!set_running(plug)) {
        return -EBUSY;
    }
    (void)memory_listener_unregister(&plug->listener);
    unicorn__unmap_all(plug);
    unicorn__remove_hooks(plug);
    free_memory(plug);
    return 0;
}

int xbar_unicorn_sync(struct xbar_unicorn *plug)
{
    if (!set_running(plug)) {
        return -EBUSY;
    }
    unicorn__catch_up(plug);
    clear_running(plug);
    return 0;
}

void xbar_unicorn_get_stats(const struct xbar_unicorn *plug,
                            struct xbar_unicorn_stats *stats)
{
    *stats = plug->stats;
}

/* ---- Runs -------------------------------------------------------------- */

/* Where the guest is, as uc_emu_start() wants it. */
static uint64_t get_pc(struct xbar_unicorn *plug)
{
    uint64_t pc = 0;
    uint32_t cpsr = 0;

    uc_reg_read(plug->uc, plug->pc, &pc);
    if (plug->pc == UC_ARM_REG_PC) {
        size_t arch = 0;

        uc_query(plug->uc, UC_QUERY_ARCH, &arch);
        if (arch == UC_ARCH_ARM) {
            uc_reg_read(plug->uc, UC_ARM_REG_CPSR, &cpsr);
            pc |= (cpsr & ARM_THUMB) != 0;
        }
    }
    return pc;
}

static uc_err run_guest(struct xbar_unicorn *plug, uint64_t begin,
                        uint64_t until)
{
    uc_err err;

    for (;;) {
        plug->is_refetch = false;
        err = uc_emu_start(plug->uc, begin, until, 0, 0);
        if (err != UC_ERR_FETCH_UNMAPPED || !plug->is_refetch) {
            return err;
        }
        begin = get_pc(plug);
    }
}

static int explain(const struct xbar_unicorn *plug, uc_err err, Error **errp)
{
    if (plug->refusal != 0) {
        error_setg(errp, "Unicorn refuses to map 0x%llx: %s",
                   (unsigned long long)plug->refusal_first,
                   uc_strerror(plug->refusal_reason));
        return plug->refusal;
    }
    error_setg(errp, "Unicorn ends the run: %s", uc_strerror(err));
    return (int)err;
}

int xbar_unicorn_run(struct xbar_unicorn *plug, uint64_t begin, uint64_t until,
                     Error **errp)
{
    uc_err err;

    if (!set_running(plug)) {
        error_setg(errp, "the guest is running already");
        return -EBUSY;
    }
    if (xbar_rcu_read_held()) {
        clear_running(plug);
        error_setg(errp, "a guest cannot run inside a read section");
        return -EDEADLK;
    }
    plug->refusal = 0;
    xbar_read_begin(); /* makes the thread known to RCU */
    xbar_read_end();
    unicorn__set_reader(plug, xbar_rcu_quick_reader());
    unicorn__catch_up(plug);
    err = run_guest(plug, begin, until);
    unicorn__report_stored(plug);
    unicorn__catch_up(plug);
    unicorn__set_reader(plug, xbar_rcu_no_reader()); /* whoever calls, then */
    clear_running(plug);
    return err == UC_ERR_OK ? 0 : explain(plug, err, errp);
}
