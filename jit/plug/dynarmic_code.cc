// SPDX-License-Identifier: MIT
//
// Which pages code was made of, and what becomes of it when they change.
//
#include "jit/plug/dynarmic_internal.hh"

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

// Under the lock.
bool xbar_dynarmic::has_code(hwaddr phys, uint64_t va) const
{
    auto [it, end] = code.equal_range(phys);

    while (it != end && it->second.va != va) {
        ++it;
    }
    return it != end;
}

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

        if (has_code(place.phys, page)) {
            return true;
        }
    }
    Watch watch(place.section->mr, client);
    const CodePage record{ watch.mr, place.phys + place.section->mr_delta,
                           page };

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
        code.emplace(place.phys, record);
        logged.insert(record.low());
        logged.insert(record.high());
        has_runs = false;
        memory_region_ref(watch.mr);
        watch.is_logged = false; // the record's
    }
    settle(record.low());
    settle(record.high());
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
    const hwaddr reach = page_size - 1; // a page before @first may touch it
    std::lock_guard<std::mutex> held(lock);
    auto it = code.lower_bound(first > reach ? first - reach : 0);

    while (it != code.end() && it->first <= last) {
        dead.push_back(it->second.mr);
        stale.push_back(it->second.va);
        logged.erase(it->second.low());
        logged.erase(it->second.high());
        has_runs = false;
        attention.store(true);
        it = code.erase(it);
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

// ---- Written code ----------------------------------------------------------

// Where code was made of page @page of @mr: virtual pages, each once.
std::vector<uint64_t> xbar_dynarmic::code_of(MemoryRegion *mr, uint64_t page)
{
    std::vector<uint64_t> found;
    std::lock_guard<std::mutex> held(lock);

    for (auto it = logged.lower_bound({ mr, page, 0 });
         it != logged.end() && it->mr == mr && it->page == page; ++it) {
        found.push_back(it->va);
    }
    return found;
}

// From now on the page is clean, until it is written. Others may have code of
// it, too: the news that it was written already is theirs.
void xbar_dynarmic::settle(const LogPage &at)
{
    if (!memory_region_test_and_clear_dirty(at.mr, at.page * page_size,
                                            page_size, client)) {
        return;
    }
    for (uint64_t va : code_of(at.mr, at.page)) {
        if (va != at.va) {
            std::lock_guard<std::mutex> held(lock);

            stale.push_back(va);
            attention.store(true);
        }
    }
}

// By halves. Bits are cleared before code is dropped: later writes are found
// next time.
void xbar_dynarmic::drop_dirty(const Run &run)
{
    const uint64_t count = run.last - run.first + 1;

    if (!memory_region_get_dirty(run.mr, run.first * page_size,
                                 count * page_size, client)) {
        return;
    }
    if (count > 1) {
        const uint64_t half = run.first + count / 2;

        drop_dirty({ run.mr, run.first, half - 1 });
        drop_dirty({ run.mr, half, run.last });
        return;
    }
    (void)memory_region_test_and_clear_dirty(run.mr, run.first * page_size,
                                             page_size, client);
    for (uint64_t va : code_of(run.mr, run.first)) {
        invalidate(va);
    }
}

// Code lies in few pieces, whatever its size. Under the lock.
void xbar_dynarmic::find_runs()
{
    runs.clear();
    for (const LogPage &at : logged) {
        Run *last = runs.empty() ? nullptr : &runs.back();

        if (last != nullptr && last->mr == at.mr && at.page <= last->last + 1) {
            last->last = at.page;
        } else {
            runs.push_back({ at.mr, at.page, at.page });
        }
    }
    has_runs = true;
}

void xbar_dynarmic::drop_written_code()
{
    uint64_t now = __atomic_load_n(changes, __ATOMIC_ACQUIRE);

    if (now == seen_changes) {
        return;
    }
    seen_changes = now;
    {
        std::lock_guard<std::mutex> held(lock);
        if (!has_runs) {
            find_runs();
        }
        for (const Run &run : runs) {
            memory_region_ref(run.mr);
        }
    }
    for (const Run &run : runs) {
        drop_dirty(run);
        memory_region_unref(run.mr);
    }
}

// The caller drops all code.
void xbar_dynarmic::forget_code()
{
    changed(0, UINT64_MAX);
    release_dead();
    std::lock_guard<std::mutex> held(lock);
    stale.clear();
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
