// SPDX-License-Identifier: MIT
//
// Two caches of what an address space says: a page table, which dynarmic's code
// reads, and code, by page. Both are the owner's, who runs the guest.
//
//   any thread                           owner
//   ----------                           -----
//   commit, dirty log: post to the       callback, or end of a slice:
//     TLB, then kick: attention            tlb_safepoint()
//   commit: take the records of code       attention? empty the page table,
//     pages that it changed away,          drop code of stale pages
//     note them as stale; attention      resume
//
// A kick may come just after the safe point that drained what it is for. Then
// the page table is stale until the next one, but what it points to is retired
// after the kick, so is not freed before that.
//
#include "jit/plug/dynarmic.h"

#include <dynarmic/interface/A64/a64.h>
#include <dynarmic/interface/A64/config.h>
#include <dynarmic/interface/exclusive_monitor.h>
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <map>
#include <mutex>
#include <new>
#include <optional>
#include <vector>

#include "engine/engine.h"
#include "engine/memory_ram.h"
#include "flatview/dirty_bitmap.h"
#include "flatview/listener.h"
#include "jit/plug/client.h"

namespace
{

using Dynarmic::HaltReason;
using Dynarmic::A64::Exception;
using Dynarmic::A64::Vector;

constexpr uint64_t page_size = TLB_PAGE_SIZE;
constexpr unsigned context = 0;
constexpr uint64_t slice = 10000; // instructions between safe points
constexpr size_t filled_max = 1 << 16;

constexpr HaltReason halt_asked = HaltReason::UserDefined1;
constexpr HaltReason halt_svc = HaltReason::UserDefined2;
constexpr HaltReason halt_exception = HaltReason::UserDefined3;
constexpr HaltReason halt_to_go_on = HaltReason::UserDefined4;
constexpr HaltReason halt_fault = HaltReason::MemoryAbort;

uint64_t page_of(uint64_t addr)
{
    return addr & ~(page_size - 1);
}

// Found from its first field.
struct Ear {
    MemoryListener listener;
    struct xbar_dynarmic *plug;
};

// Code was made of this page; the region is referenced, and logged.
struct CodePage {
    MemoryRegion *mr;
    hwaddr offset; // in mr
    hwaddr phys;
};

int walk_nothing(void *, unsigned, uint64_t va, enum xbar_tlb_access,
                 struct xbar_tlb_walk *walk)
{
    walk->phys = page_of(va);
    walk->prot = TLB_PROT_READ | TLB_PROT_WRITE | TLB_PROT_EXEC;
    walk->global = true;
    return 0;
}

} // namespace

struct xbar_dynarmic final : public Dynarmic::A64::UserCallbacks {
    explicit xbar_dynarmic(const struct xbar_dynarmic_config &c) : config(c)
    {
    }
    xbar_dynarmic(const xbar_dynarmic &) = delete;
    xbar_dynarmic &operator=(const xbar_dynarmic &) = delete;
    ~xbar_dynarmic() override = default;

    const char *start();
    void end();
    enum xbar_dynarmic_exit run(uint64_t ticks);
    void safepoint();

    // ---- dynarmic's callbacks ----
    std::optional<uint32_t> MemoryReadCode(uint64_t va) override;
    uint8_t MemoryRead8(uint64_t va) override
    {
        return load<uint8_t, 0>(va);
    }
    uint16_t MemoryRead16(uint64_t va) override
    {
        return load<uint16_t, 1>(va);
    }
    uint32_t MemoryRead32(uint64_t va) override
    {
        return load<uint32_t, 2>(va);
    }
    uint64_t MemoryRead64(uint64_t va) override
    {
        return load<uint64_t, 3>(va);
    }
    Vector MemoryRead128(uint64_t va) override;
    void MemoryWrite8(uint64_t va, uint8_t v) override
    {
        store(va, 0, v);
    }
    void MemoryWrite16(uint64_t va, uint16_t v) override
    {
        store(va, 1, v);
    }
    void MemoryWrite32(uint64_t va, uint32_t v) override
    {
        store(va, 2, v);
    }
    void MemoryWrite64(uint64_t va, uint64_t v) override
    {
        store(va, 3, v);
    }
    void MemoryWrite128(uint64_t va, Vector value) override;
    bool MemoryWriteExclusive8(uint64_t va, uint8_t v, uint8_t old) override
    {
        return swap(va, v, old);
    }
    bool MemoryWriteExclusive16(uint64_t va, uint16_t v, uint16_t old) override
    {
        return swap(va, v, old);
    }
    bool MemoryWriteExclusive32(uint64_t va, uint32_t v, uint32_t old) override
    {
        return swap(va, v, old);
    }
    bool MemoryWriteExclusive64(uint64_t va, uint64_t v, uint64_t old) override
    {
        return swap(va, v, old);
    }
    bool MemoryWriteExclusive128(uint64_t va, Vector v, Vector old) override;
    void InterpreterFallback(uint64_t pc, size_t) override
    {
        ExceptionRaised(pc, Exception::UnallocatedEncoding);
    }
    void CallSVC(uint32_t number) override;
    void ExceptionRaised(uint64_t pc, Exception exception) override;
    void
    InstructionCacheOperationRaised(Dynarmic::A64::InstructionCacheOperation op,
                                    uint64_t va) override;
    void InstructionSynchronizationBarrierRaised() override
    {
        safepoint();
    }
    void AddTicks(uint64_t ticks) override;
    uint64_t GetTicksRemaining() override
    {
        return left;
    }
    uint64_t GetCNTPCT() override
    {
        return stats.ticks;
    }

    // ---- The rest ----
    template <typename T, unsigned size_log2> T load(uint64_t va);
    void store(uint64_t va, unsigned size_log2, uint64_t value);
    template <typename T> bool swap(uint64_t va, T value, T old);
    void fault(bool is_store);
    void after(uint64_t va);
    void fill(uint64_t va);
    bool is_behind() const
    {
        return attention.load(std::memory_order_relaxed) ||
               __atomic_load_n(changes, __ATOMIC_RELAXED) != seen_changes;
    }
    void empty_page_table();
    void invalidate(uint64_t page);
    void drop_code();
    void drop_written_code();
    void note_code(uint64_t va);
    void changed(hwaddr first, hwaddr last);
    void release_dead();
    void forget_code();

    struct xbar_dynarmic_config config;
    struct xbar_engine *engine = nullptr;
    SoftTLB tlb{};
    std::atomic<bool> attention{ false };
    std::atomic<bool> running{ false };

    void **page_table = nullptr;
    size_t page_table_bytes = 0;
    unsigned address_bits = 36;
    std::vector<uint64_t> filled; // pages of it

    std::mutex lock; // under the writer lock; nothing is called under it
    std::map<uint64_t, CodePage> code; // by virtual page
    std::vector<MemoryRegion *> dead;  // to be let go
    std::vector<uint64_t> stale;       // pages
    unsigned client = 0;               // of dirty logs
    const uint64_t *changes = nullptr;
    uint64_t seen_changes = 0;
    uint64_t code_page = ~UINT64_C(0); // where code was read last
    Ear ear{};
    bool listens = false;
    bool has_tlb = false;

    uint64_t left = 0; // of the slice
    struct xbar_dynarmic_stop stop {
    };
    struct xbar_dynarmic_stats stats {
    };
    std::optional<Dynarmic::ExclusiveMonitor> monitor;
    std::optional<Dynarmic::A64::Jit> jit;
};

// ---- Memory ----------------------------------------------------------------

// A load or store failed: the run ends.
void xbar_dynarmic::fault(bool is_store)
{
    stop.fault = tlb.fault;
    stop.is_store = is_store;
    jit->HaltExecution(halt_fault);
}

// What the TLB hits in both directions, dynarmic may do by itself.
void xbar_dynarmic::fill(uint64_t va)
{
    const TLBEntry &entry = tlb.l1[context][tlb_index(va)];
    uint64_t page = page_of(va);

    if (entry.tag[TLB_READ] != page || entry.tag[TLB_WRITE] != page ||
        va >> address_bits != 0 || page_table[page / page_size] != nullptr) {
        return;
    }
    if (filled.size() == filled_max) {
        empty_page_table();
    }
    filled.push_back(page); // reserved
    page_table[page / page_size] =
        reinterpret_cast<void *>(static_cast<uintptr_t>(page + entry.addend));
    stats.filled++;
}

void xbar_dynarmic::after(uint64_t va)
{
    stats.callbacks++;
    if (__builtin_expect(is_behind(), 0)) {
        safepoint();
    } else {
        fill(va);
    }
}

template <typename T, unsigned size_log2> T xbar_dynarmic::load(uint64_t va)
{
    uint64_t value = 0;

    if (!tlb_load_device(&tlb, context, va, size_log2, &value) &&
        tlb_load_slow(&tlb, context, va, size_log2, &value) != 0) {
        value = 0;
        fault(false);
    }
    after(va);
    return static_cast<T>(value);
}

void xbar_dynarmic::store(uint64_t va, unsigned size_log2, uint64_t value)
{
    if (!tlb_store_device(&tlb, context, va, size_log2, value) &&
        tlb_store_slow(&tlb, context, va, size_log2, value) != 0) {
        fault(true);
    }
    after(va);
}

Vector xbar_dynarmic::MemoryRead128(uint64_t va)
{
    Vector value{};

    if (tlb_load_bytes(&tlb, context, va, value.data(), 16) != 0) {
        fault(false);
    }
    after(va);
    return value;
}

void xbar_dynarmic::MemoryWrite128(uint64_t va, Vector value)
{
    if (tlb_store_bytes(&tlb, context, va, value.data(), 16) != 0) {
        fault(true);
    }
    after(va);
}

// False: somebody was faster, or it is no memory, which ends the run.
template <typename T> bool xbar_dynarmic::swap(uint64_t va, T value, T old)
{
    void *host = nullptr;
    bool done = false;

    if (va % sizeof(T) != 0 ||
        tlb_host(&tlb, context, va, sizeof(T), TLB_WRITE, &host) != 0) {
        fault(true);
    } else {
        done = __atomic_compare_exchange_n(static_cast<T *>(host), &old, value,
                                           false, __ATOMIC_SEQ_CST,
                                           __ATOMIC_SEQ_CST);
    }
    after(va);
    return done;
}

bool xbar_dynarmic::MemoryWriteExclusive128(uint64_t va, Vector value,
                                            Vector old)
{
    Vector now{};

    // Two vCPUs that exchange pairs need one instruction for it.
    if (tlb_load_bytes(&tlb, context, va, now.data(), 16) != 0) {
        fault(true);
        return false;
    }
    if (now != old) {
        return false;
    }
    MemoryWrite128(va, value);
    return true;
}

void xbar_dynarmic::empty_page_table()
{
    for (uint64_t page : filled) {
        page_table[page / page_size] = nullptr;
    }
    if (!filled.empty()) {
        stats.dropped++;
    }
    filled.clear();
}

// ---- Code ------------------------------------------------------------------

// The first instruction that is read of a page.
void xbar_dynarmic::note_code(uint64_t va)
{
    uint64_t page = page_of(va);
    struct xbar_tlb_place place;
    MemoryRegion *mr;
    hwaddr offset;

    if (tlb_locate(&tlb, context, page, TLB_EXEC, &place) != 0 ||
        place.section->mr == nullptr) {
        return;
    }
    mr = place.section->mr;
    offset = place.phys + place.section->mr_delta;
    {
        std::lock_guard<std::mutex> held(lock);
        const FlatRange *now =
            flatview_lookup(address_space_to_flatview(config.as), place.phys);

        // Either a commit finds the record, or it is seen here.
        if (now != place.section || code.count(page) != 0) {
            return;
        }
        code.emplace(page, CodePage{ mr, offset, place.phys });
        memory_region_ref(mr);
    }
    if (memory_region_set_log(mr, true, client) == 0) {
        (void)memory_region_test_and_clear_dirty(mr, offset, page_size, client);
    }
}

std::optional<uint32_t> xbar_dynarmic::MemoryReadCode(uint64_t va)
{
    void *host = nullptr;

    if (page_of(va) != code_page) {
        note_code(va);
        code_page = page_of(va);
    }
    if (tlb_host(&tlb, context, va, 4, TLB_EXEC, &host) != 0) {
        return std::nullopt;
    }
    return static_cast<uint32_t>(tlb_ram_load(host, 2));
}

// Records of what a commit changed; any thread, under the writer lock.
void xbar_dynarmic::changed(hwaddr first, hwaddr last)
{
    std::lock_guard<std::mutex> held(lock);

    for (auto it = code.begin(); it != code.end();) {
        hwaddr phys = it->second.phys;

        if (phys <= last && phys + (page_size - 1) >= first) {
            dead.push_back(it->second.mr);
            stale.push_back(it->first);
            it = code.erase(it);
            attention.store(true);
        } else {
            ++it;
        }
    }
}

// Records are for finding, nothing uses their regions.
void xbar_dynarmic::release_dead()
{
    std::vector<MemoryRegion *> regions;

    {
        std::lock_guard<std::mutex> held(lock);
        regions.swap(dead);
    }
    for (MemoryRegion *mr : regions) {
        (void)memory_region_set_log(mr, false, client);
        memory_region_unref(mr);
    }
}

// In a run that takes effect once dynarmic has left its code.
void xbar_dynarmic::invalidate(uint64_t page)
{
    jit->InvalidateCacheRange(page, page_size);
    if (jit->IsExecuting()) {
        jit->HaltExecution(halt_to_go_on);
    }
    stats.code++;
}

void xbar_dynarmic::drop_code()
{
    std::vector<uint64_t> pages;

    {
        std::lock_guard<std::mutex> held(lock);
        pages.swap(stale);
    }
    for (uint64_t page : pages) {
        invalidate(page);
    }
    code_page = ~UINT64_C(0);
}

// Bits are cleared before code is dropped: later writes are found next time.
void xbar_dynarmic::drop_written_code()
{
    uint64_t now = __atomic_load_n(changes, __ATOMIC_ACQUIRE);
    std::vector<std::pair<uint64_t, CodePage>> pages;

    if (now == seen_changes) {
        return;
    }
    seen_changes = now;
    {
        std::lock_guard<std::mutex> held(lock);
        pages.assign(code.begin(), code.end());
        for (auto &page : pages) {
            memory_region_ref(page.second.mr);
        }
    }
    for (auto &page : pages) {
        if (memory_region_test_and_clear_dirty(
                page.second.mr, page.second.offset, page_size, client)) {
            invalidate(page.first);
        }
        memory_region_unref(page.second.mr);
    }
}

void xbar_dynarmic::forget_code()
{
    changed(0, UINT64_MAX);
    release_dead();
}

void xbar_dynarmic::InstructionCacheOperationRaised(
    Dynarmic::A64::InstructionCacheOperation op, uint64_t va)
{
    if (op == Dynarmic::A64::InstructionCacheOperation::InvalidateByVAToPoU) {
        jit->InvalidateCacheRange(va & ~UINT64_C(63), 64);
    } else {
        jit->ClearCache();
    }
}

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

struct xbar_dynarmic *of_listener(MemoryListener *listener)
{
    return reinterpret_cast<Ear *>(listener)->plug;
}

void on_section(MemoryListener *listener, MemoryRegionSection *section)
{
    hwaddr first = section->offset_within_address_space;

    of_listener(listener)->changed(
        first, first + static_cast<uint64_t>(section->size - 1));
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

    engine = xbar_address_space_engine(config.as);
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
    changes = xbar_dirty_changes(engine);
    seen_changes = __atomic_load_n(changes, __ATOMIC_ACQUIRE);

    monitor.emplace(1);
    user.callbacks = this;
    user.global_monitor = &*monitor;
    user.page_table = page_table;
    user.page_table_address_space_bits = address_bits;
    user.silently_mirror_page_table = false;
    user.detect_misaligned_access_via_page_table = 16 | 32 | 64 | 128;
    user.only_detect_misalignment_via_page_table_on_page_boundary = true;
    user.check_halt_on_memory_access = true;
    user.hook_isb = true;
    user.code_cache_size = 64 << 20;
    jit.emplace(user);

    ear.plug = this;
    ear.listener.region_add = on_section;
    ear.listener.region_del = on_section;
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
        (config->address_bits < 13 || config->address_bits > 48)) {
        return "a page table for fewer than 13 or more than 48 bits";
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
    plug->jit->HaltExecution(halt_asked);
}

void xbar_dynarmic_flush(struct xbar_dynarmic *plug)
{
    tlb_flush(&plug->tlb, TLB_ALL_CONTEXTS);
    plug->empty_page_table();
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
}
