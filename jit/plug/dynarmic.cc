// SPDX-License-Identifier: MIT
#include "jit/plug/dynarmic.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <new>

#include "engine/engine.h"
#include "flatview/dirty_bitmap.h"
#include "jit/plug/client.h"
#include "jit/plug/dynarmic_internal.hh"

static constexpr uint64_t slice = 10000; // instructions between safe points

// ---- Runs ------------------------------------------------------------------

void xbar_dynarmic::safepoint()
{
    tlb_safepoint(&tlb);
    if (attention.exchange(false)) {
        empty_page_table();
        drop_code();
    }
    drop_written_code();
}

void xbar_dynarmic::CallSVC(uint32_t number)
{
    if (config.svc != nullptr) {
        config.svc(config.opaque, number);
        return;
    }
    stop.svc = number;
    jit->HaltExecution(halt_svc);
}

void xbar_dynarmic::ExceptionRaised(uint64_t pc, Exception exception)
{
    stop.pc = pc;
    stop.exception = static_cast<int>(exception);
    jit->HaltExecution(halt_exception);
}

void xbar_dynarmic::AddTicks(uint64_t ticks)
{
    stats.ticks += ticks;
    left -= std::min(ticks, left);
}

enum xbar_dynarmic_exit xbar_dynarmic::run(uint64_t ticks)
{
    static const struct {
        HaltReason reason;
        enum xbar_dynarmic_exit exit;
    } ends[] = { { halt_fault, XBAR_DYNARMIC_FAULT },
                 { halt_exception, XBAR_DYNARMIC_EXCEPTION },
                 { halt_svc, XBAR_DYNARMIC_SVC },
                 { halt_asked, XBAR_DYNARMIC_HALTED } };
    uint64_t end =
        stats.ticks + ticks < ticks ? UINT64_MAX : stats.ticks + ticks;

    while (stats.ticks < end) {
        left = std::min(slice, end - stats.ticks);
        HaltReason why = jit->Run();

        safepoint();
        for (const auto &e : ends) {
            if (Dynarmic::Has(why, e.reason)) {
                return e.exit;
            }
        }
    }
    return XBAR_DYNARMIC_TICKS;
}

// ---- Making and ending -----------------------------------------------------

namespace
{

int walk_nothing(void *, unsigned, uint64_t va, enum xbar_tlb_access,
                 struct xbar_tlb_walk *walk)
{
    walk->phys = xbar_dynarmic::page_of(va);
    walk->prot = TLB_PROT_READ | TLB_PROT_WRITE | TLB_PROT_EXEC;
    walk->global = true;
    return 0;
}

struct xbar_dynarmic *of_listener(MemoryListener *listener)
{
    return reinterpret_cast<xbar_dynarmic::Ear *>(listener)->plug;
}

void changed(struct xbar_dynarmic *plug, const MemoryRegionSection *section)
{
    hwaddr first = section->offset_within_address_space;

    plug->changed(first, first + static_cast<uint64_t>(section->size - 1));
}

void on_added(MemoryListener *listener, MemoryRegionSection *section)
{
    of_listener(listener)->added(section);
    changed(of_listener(listener), section);
}

void on_deleted(MemoryListener *listener, MemoryRegionSection *section)
{
    of_listener(listener)->hide(section);
    changed(of_listener(listener), section);
}

void on_cleared(MemoryListener *listener, MemoryRegionSection *section)
{
    of_listener(listener)->cleared(section);
}

void on_commit(MemoryListener *listener)
{
    of_listener(listener)->release_dead();
}

void on_kick(void *opaque)
{
    static_cast<struct xbar_dynarmic *>(opaque)->attention.store(true);
}

} // namespace

// NULL, or what went wrong.
const char *xbar_dynarmic::start()
{
    struct xbar_tlb_config tlb_config = {};
    Dynarmic::A64::UserConfig user = {};

    address_bits = config.address_bits != 0 ? config.address_bits : 36;
    page_table_bytes = sizeof(void *) << (address_bits - TLB_PAGE_BITS);
    void *table = mmap(nullptr, page_table_bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (table == MAP_FAILED) {
        return "no address space for a page table";
    }
    page_table = static_cast<void **>(table);
    filled.reserve(filled_max);
    tlb_config.as = config.as;
    tlb_config.walk = config.walk != nullptr ? config.walk : walk_nothing;
    tlb_config.walk_opaque = config.walk_opaque;
    tlb_config.kick = on_kick;
    tlb_config.kick_opaque = this;
    if (tlb_init(&tlb, &tlb_config) != 0) {
        return "no memory";
    }
    has_tlb = true;
    client = plug_client_new(PLUG_CLIENT_DYNARMIC);
    changes = xbar_dirty_changes(xbar_address_space_engine(config.as));
    seen_changes = __atomic_load_n(changes, __ATOMIC_ACQUIRE);

    monitor.emplace(1);
    user.callbacks = this;
    user.global_monitor = &*monitor;
    user.page_table = page_table;
    user.page_table_address_space_bits = address_bits;
    user.silently_mirror_page_table = false;
    user.detect_misaligned_access_via_page_table = 16 | 32 | 64 | 128;
    user.only_detect_misalignment_via_page_table_on_page_boundary = true;
    if (config.fastmem_bits != 0) {
        if (!open_window()) {
            return "no address space for fastmem";
        }
        user.fastmem_pointer = window;
        user.fastmem_address_space_bits = config.fastmem_bits;
        user.silently_mirror_fastmem = false;
    }
    user.check_halt_on_memory_access = true;
    user.hook_isb = true;
    user.code_cache_size = 64 << 20;
    jit.emplace(user);

    ear.plug = this;
    ear.listener.region_add = on_added;
    ear.listener.region_del = on_deleted;
    ear.listener.log_clear = window != nullptr ? on_cleared : nullptr;
    ear.listener.commit = on_commit;
    ear.listener.name = "dynarmic";
    if (memory_listener_register(&ear.listener, config.as) != 0) {
        return "the address space takes no listener; was it destroyed?";
    }
    listens = true;
    return nullptr;
}

void xbar_dynarmic::end()
{
    if (listens) {
        (void)memory_listener_unregister(&ear.listener);
    }
    if (has_tlb) {
        forget_code();
        tlb_destroy(&tlb);
    }
    jit.reset();
    close_window();
    if (page_table != nullptr) {
        munmap(page_table, page_table_bytes);
    }
}

static const char *check(const struct xbar_dynarmic_config *config)
{
    if (config->as == nullptr) {
        return "no address space";
    }
    if (xbar_engine_is_big_endian(xbar_address_space_engine(config->as))) {
        return "the engine is of a big-endian guest";
    }
    if (config->address_bits != 0 &&
        (config->address_bits < 13 || config->address_bits > 43)) {
        return "a page table for fewer than 13 or more than 43 bits";
    }
    if (config->fastmem_bits != 0 &&
        (config->fastmem_bits < 13 || config->fastmem_bits > 46)) {
        return "fastmem for fewer than 13 or more than 46 bits";
    }
    if (config->fastmem_bits != 0 && config->walk != nullptr) {
        return "fastmem for virtual addresses: it shows physical ones";
    }
    return nullptr;
}

struct xbar_dynarmic *
xbar_dynarmic_new(const struct xbar_dynarmic_config *config, Error **errp)
{
    const char *wrong = check(config);
    struct xbar_dynarmic *plug = nullptr;

    if (wrong == nullptr) {
        try {
            plug = new xbar_dynarmic(*config);
            wrong = plug->start();
        } catch (const std::exception &) {
            wrong = "no memory";
        }
    }
    if (wrong != nullptr) {
        error_setg(errp, "dynarmic adapter: %s", wrong);
        if (plug != nullptr) {
            plug->end();
            delete plug;
        }
        return nullptr;
    }
    return plug;
}

int xbar_dynarmic_free(struct xbar_dynarmic *plug)
{
    if (plug == nullptr) {
        return 0;
    }
    if (plug->running.exchange(true)) {
        return -EBUSY;
    }
    plug->end();
    delete plug;
    return 0;
}

enum xbar_dynarmic_exit xbar_dynarmic_run(struct xbar_dynarmic *plug,
                                          uint64_t ticks,
                                          struct xbar_dynarmic_stop *stop)
{
    enum xbar_dynarmic_exit why;

    if (plug->running.exchange(true)) {
        return XBAR_DYNARMIC_BUSY;
    }
    plug->stop = {};
    tlb_enter(&plug->tlb);
    plug->safepoint();
    why = plug->run(ticks);
    tlb_leave(&plug->tlb);
    if (stop != nullptr) {
        *stop = plug->stop;
    }
    plug->running.store(false);
    return why;
}

void xbar_dynarmic_halt(struct xbar_dynarmic *plug)
{
    plug->jit->HaltExecution(xbar_dynarmic::halt_asked);
}

void xbar_dynarmic_flush(struct xbar_dynarmic *plug)
{
    tlb_flush(&plug->tlb, TLB_ALL_CONTEXTS);
    plug->empty_page_table();
    plug->forget_code(); // it may have been at those addresses only
    plug->jit->ClearCache();
    plug->code_page = ~UINT64_C(0);
}

uint64_t xbar_dynarmic_get(const struct xbar_dynarmic *plug, unsigned reg)
{
    switch (reg) {
    case XBAR_DYNARMIC_SP:
        return plug->jit->GetSP();
    case XBAR_DYNARMIC_PC:
        return plug->jit->GetPC();
    case XBAR_DYNARMIC_PSTATE:
        return plug->jit->GetPstate();
    default:
        return reg < XBAR_DYNARMIC_SP ? plug->jit->GetRegister(reg) : 0;
    }
}

void xbar_dynarmic_set(struct xbar_dynarmic *plug, unsigned reg, uint64_t value)
{
    switch (reg) {
    case XBAR_DYNARMIC_SP:
        plug->jit->SetSP(value);
        break;
    case XBAR_DYNARMIC_PC:
        plug->jit->SetPC(value);
        break;
    case XBAR_DYNARMIC_PSTATE:
        plug->jit->SetPstate(static_cast<uint32_t>(value));
        break;
    default:
        if (reg < XBAR_DYNARMIC_SP) {
            plug->jit->SetRegister(reg, value);
        }
    }
}

void xbar_dynarmic_get_stats(const struct xbar_dynarmic *plug,
                             struct xbar_dynarmic_stats *stats)
{
    *stats = plug->stats;
    stats->shown = plug->shown.load();
}
