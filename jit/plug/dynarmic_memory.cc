// SPDX-License-Identifier: MIT
//
// Loads and stores that dynarmic does not do by itself, and the page table that
// says which those are.
//
#include "jit/plug/dynarmic_internal.hh"

using Dynarmic::A64::Vector;

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

uint8_t xbar_dynarmic::MemoryRead8(uint64_t va)
{
    return load<uint8_t, 0>(va);
}

uint16_t xbar_dynarmic::MemoryRead16(uint64_t va)
{
    return load<uint16_t, 1>(va);
}

uint32_t xbar_dynarmic::MemoryRead32(uint64_t va)
{
    return load<uint32_t, 2>(va);
}

uint64_t xbar_dynarmic::MemoryRead64(uint64_t va)
{
    return load<uint64_t, 3>(va);
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

void xbar_dynarmic::MemoryWrite8(uint64_t va, uint8_t v)
{
    store(va, 0, v);
}

void xbar_dynarmic::MemoryWrite16(uint64_t va, uint16_t v)
{
    store(va, 1, v);
}

void xbar_dynarmic::MemoryWrite32(uint64_t va, uint32_t v)
{
    store(va, 2, v);
}

void xbar_dynarmic::MemoryWrite64(uint64_t va, uint64_t v)
{
    store(va, 3, v);
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

bool xbar_dynarmic::MemoryWriteExclusive8(uint64_t va, uint8_t v, uint8_t old)
{
    return swap(va, v, old);
}

bool xbar_dynarmic::MemoryWriteExclusive16(uint64_t va, uint16_t v,
                                           uint16_t old)
{
    return swap(va, v, old);
}

bool xbar_dynarmic::MemoryWriteExclusive32(uint64_t va, uint32_t v,
                                           uint32_t old)
{
    return swap(va, v, old);
}

bool xbar_dynarmic::MemoryWriteExclusive64(uint64_t va, uint64_t v,
                                           uint64_t old)
{
    return swap(va, v, old);
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
