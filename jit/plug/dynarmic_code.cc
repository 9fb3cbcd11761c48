// SPDX-License-Identifier: MIT
//
// Which pages code was made of, and what becomes of it when they change.
//
#include "jit/plug/dynarmic_internal.hh"

#include <utility>

#include "engine/memory_ram.h"
#include "flatview/dirty_bitmap.h"

// A region that is referenced and logged.
struct xbar_dynarmic::Watch {
    Watch(MemoryRegion *region, unsigned log) : mr(region), client(log)
    {
        memory_region_ref(mr);
        is_logged = memory_region_set_log(mr, true, client) == 0;
    }
    Watch(const Watch &) = delete;
    Watch &operator=(const Watch &) = delete;
    ~Watch()
    {
        if (is_logged) {
            (void)memory_region_set_log(mr, false, client);
        }
        memory_region_unref(mr);
    }

    MemoryRegion *mr;
    unsigned client;
    bool is_logged;
};

// The first instruction that is read of a page. Logging takes the writer lock,
// so it begins before `lock` is taken; the record has it from the start, that
// a commit which takes the record ends what began. False: no memory.
bool xbar_dynarmic::note_code(uint64_t va)
{
    uint64_t page = page_of(va);
    struct xbar_tlb_place place;

    if (tlb_locate(&tlb, context, page, TLB_EXEC, &place) != 0 ||
        place.section->mr == nullptr) {
        return true; // nothing to read there
    }
    {
        std::lock_guard<std::mutex> held(lock);

        if (code.count(page) != 0) {
            return true;
        }
    }
    Watch watch(place.section->mr, client);
    hwaddr offset = place.phys + place.section->mr_delta;

    if (!watch.is_logged) {
        return false;
    }
    {
        std::lock_guard<std::mutex> held(lock);
        const FlatRange *now =
            flatview_lookup(address_space_to_flatview(config.as), place.phys);

        // Either a commit finds the record, or it is seen here: what is made
        // of the page before the next safe point goes then.
        if (now != place.section) {
            stale.push_back(page);
            attention.store(true);
            return true;
        }
        code.emplace(page, CodePage{ watch.mr, offset, place.phys });
        memory_region_ref(watch.mr);
        watch.is_logged = false; // the record's
    }
    (void)memory_region_test_and_clear_dirty(watch.mr, offset, page_size,
                                             client);
    return true;
}

std::optional<uint32_t> xbar_dynarmic::MemoryReadCode(uint64_t va)
{
    void *host = nullptr;

    if (page_of(va) != code_page) {
        if (!note_code(va)) {
            return std::nullopt;
        }
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
