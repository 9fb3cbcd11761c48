// SPDX-License-Identifier: MIT
//
// The parts of the dynarmic adapter: its one structure, a vCPU.
//
//     dynarmic.cc          making, ending, runs, the listener, registers
//     dynarmic_memory.cc   loads and stores; the page table
//     dynarmic_fastmem.cc  memory at guest addresses, which commits exchange
//     dynarmic_code.cc     what code was made of; dropping it
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
#ifndef XBAR_JIT_PLUG_DYNARMIC_INTERNAL_HH
#define XBAR_JIT_PLUG_DYNARMIC_INTERNAL_HH

#include <dynarmic/interface/A64/a64.h>
#include <dynarmic/interface/A64/config.h>
#include <dynarmic/interface/exclusive_monitor.h>

#include <atomic>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <tuple>
#include <vector>

#include "flatview/listener.h"
#include "jit/plug/dynarmic.h"

struct xbar_dynarmic final : public Dynarmic::A64::UserCallbacks {
    using Exception = Dynarmic::A64::Exception;
    using HaltReason = Dynarmic::HaltReason;
    using Vector = Dynarmic::A64::Vector;

    static constexpr uint64_t page_size = TLB_PAGE_SIZE;
    static constexpr unsigned context = 0;
    static constexpr size_t filled_max = 1 << 16;
    static constexpr HaltReason halt_asked = HaltReason::UserDefined1;
    static constexpr HaltReason halt_svc = HaltReason::UserDefined2;
    static constexpr HaltReason halt_exception = HaltReason::UserDefined3;
    static constexpr HaltReason halt_to_go_on = HaltReason::UserDefined4;
    static constexpr HaltReason halt_fault = HaltReason::MemoryAbort;

    // Found from its first field.
    struct Ear {
        MemoryListener listener;
        struct xbar_dynarmic *plug;
    };

    // A page of a region, as dirty logs count them, of which code was made.
    struct LogPage {
        MemoryRegion *mr;
        uint64_t page;
        uint64_t va; // of the code

        bool operator<(const LogPage &other) const
        {
            return std::tie(mr, page, va) <
                   std::tie(other.mr, other.page, other.va);
        }
    };

    // Code was made of this page; the region is referenced, and logged.
    struct CodePage {
        MemoryRegion *mr;
        hwaddr offset; // in mr, where the guest's page may begin anywhere
        uint64_t va;

        LogPage low() const
        {
            return { mr, offset / page_size, va };
        }
        LogPage high() const
        {
            return { mr, (offset + page_size - 1) / page_size, va };
        }
    };

    // Neighbours among LogPages.
    struct Run {
        MemoryRegion *mr;
        uint64_t first;
        uint64_t last;
    };

    struct Watch; // dynarmic_code.cc

    static uint64_t page_of(uint64_t addr)
    {
        return addr & ~(page_size - 1);
    }

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
    uint8_t MemoryRead8(uint64_t va) override;
    uint16_t MemoryRead16(uint64_t va) override;
    uint32_t MemoryRead32(uint64_t va) override;
    uint64_t MemoryRead64(uint64_t va) override;
    Vector MemoryRead128(uint64_t va) override;
    void MemoryWrite8(uint64_t va, uint8_t v) override;
    void MemoryWrite16(uint64_t va, uint16_t v) override;
    void MemoryWrite32(uint64_t va, uint32_t v) override;
    void MemoryWrite64(uint64_t va, uint64_t v) override;
    void MemoryWrite128(uint64_t va, Vector value) override;
    bool MemoryWriteExclusive8(uint64_t va, uint8_t v, uint8_t old) override;
    bool MemoryWriteExclusive16(uint64_t va, uint16_t v, uint16_t old) override;
    bool MemoryWriteExclusive32(uint64_t va, uint32_t v, uint32_t old) override;
    bool MemoryWriteExclusive64(uint64_t va, uint64_t v, uint64_t old) override;
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

    // ---- dynarmic_memory.cc ----
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

    // ---- dynarmic_fastmem.cc: any thread, under the writer lock ----
    struct Pages;
    bool open_window();
    void close_window();
    bool show(const MemoryRegionSection *section, bool can_write);
    void hide(const MemoryRegionSection *section);
    void added(const MemoryRegionSection *section);
    void cleared(const MemoryRegionSection *section);

    // ---- dynarmic_code.cc ----
    bool has_code(hwaddr phys, uint64_t va) const;
    bool note_code(uint64_t va);
    void changed(hwaddr first, hwaddr last);
    void release_dead();
    void invalidate(uint64_t page);
    void drop_code();
    std::vector<uint64_t> code_of(MemoryRegion *mr, uint64_t page);
    void settle(const LogPage &at);
    void drop_dirty(const Run &run);
    void find_runs();
    void drop_written_code();
    void forget_code();

    struct xbar_dynarmic_config config;
    SoftTLB tlb{};
    std::atomic<bool> attention{ false };
    std::atomic<bool> running{ false };

    void **page_table = nullptr;
    size_t page_table_bytes = 0;
    unsigned address_bits = 0;
    std::vector<uint64_t> filled; // pages of it

    uint8_t *window = nullptr; // fastmem
    size_t window_size = 0;
    std::atomic<uint64_t> shown{ 0 }; // sections, ever

    std::mutex lock; // under the writer lock; nothing is called under it
    std::multimap<hwaddr, CodePage> code; // by physical page
    std::set<LogPage> logged;             // the same
    bool has_runs = true;                 // `runs` is of what `logged` is
    std::vector<MemoryRegion *> dead;     // to be let go
    std::vector<uint64_t> stale;          // virtual pages

    std::vector<Run> runs; // the owner's
    unsigned client = 0;   // of dirty logs
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

#endif
