// SPDX-License-Identifier: MIT
//
// A window in the host's address space that shows the guest's memory at its
// guest addresses, so that dynarmic's code needs no table for it.
//
//     window + 0x80000000   shared RAM, mapped a second time     r w
//     window + 0x90000000   ROM                                  r
//     all else              nothing: SIGSEGV, then the callback
//
// Only memory that is shared (memfd, files) can be mapped twice. What stays out
// of the window is done as without one: dynarmic makes a block whose access
// faulted anew, with the page table for that access.
//
// Commits change it on their own threads: a guest that runs sees the old memory
// or the new, or faults and asks.
//
#include "jit/plug/dynarmic_internal.hh"

#include <sys/mman.h>

#include "engine/memory_ram.h"
#include "flatview/dirty_bitmap.h"

static constexpr uint64_t page_mask = xbar_dynarmic::page_size - 1;

// An access at the end reaches this far beyond.
static constexpr size_t guard_size = xbar_dynarmic::page_size;

bool xbar_dynarmic::open_window()
{
    size_t size = (static_cast<size_t>(1) << config.fastmem_bits) + guard_size;
    void *at = mmap(nullptr, size, PROT_NONE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (at == MAP_FAILED) {
        return false;
    }
    window = static_cast<uint8_t *>(at);
    window_size = size;
    return true;
}

void xbar_dynarmic::close_window()
{
    if (window != nullptr) {
        munmap(window, window_size);
        window = nullptr;
    }
}

// The whole pages of a section that the window has room for, if it is memory;
// none: size 0.
struct xbar_dynarmic::Pages {
    Pages(const struct xbar_dynarmic *plug, const MemoryRegionSection *section)
    {
        const Int128 last = section->size - 1;
        const uint64_t end = UINT64_C(1) << plug->config.fastmem_bits;
        uint64_t low = section->offset_within_address_space;
        uint64_t high = low + static_cast<uint64_t>(last);

        first = (low + page_mask) & ~page_mask;
        if (plug->window == nullptr || low >= end || first < low ||
            !memory_region_is_ram(section->mr) ||
            memory_region_is_ram_device(section->mr)) {
            return;
        }
        high = high < end ? high + 1 : end;
        high &= ~page_mask;
        size = high > first ? high - first : 0;
        skipped = first - low;
    }

    uint64_t first = 0;
    uint64_t size = 0;
    uint64_t skipped = 0; // of the section, before them
};

// Not there any more, or not yet.
void xbar_dynarmic::hide(const MemoryRegionSection *section)
{
    const Pages pages(this, section);

    if (pages.size != 0 &&
        mmap(window + pages.first, pages.size, PROT_NONE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1,
             0) == MAP_FAILED) {
        // The kernel has no mapping more to give: then none is shown, which
        // takes none. The page table does it all.
        (void)mprotect(window, UINT64_C(1) << config.fastmem_bits, PROT_NONE);
    }
}

// The second mapping of what is shared, by a first one of size 0; the kernel
// refuses that for memory that is not. False: nothing is shown there.
bool xbar_dynarmic::show(const MemoryRegionSection *section, bool can_write)
{
    const Pages pages(this, section);
    const int prot = can_write ? PROT_READ | PROT_WRITE : PROT_READ;
    uint8_t *host;
    void *copy;

    if (pages.size == 0) {
        return false;
    }
    host = static_cast<uint8_t *>(memory_region_get_ram_ptr(section->mr)) +
           section->offset_within_region + pages.skipped;
    if ((reinterpret_cast<uintptr_t>(host) & page_mask) != 0) {
        return false;
    }
    // Aside first: what fails leaves the window whole, and what is not to be
    // written is not, not even for a moment.
    copy = mremap(host, 0, pages.size, MREMAP_MAYMOVE);
    if (copy != MAP_FAILED) {
        if (mprotect(copy, pages.size, prot) == 0 &&
            mremap(copy, pages.size, pages.size, MREMAP_MAYMOVE | MREMAP_FIXED,
                   window + pages.first) != MAP_FAILED) {
            return true;
        }
        munmap(copy, pages.size);
    }
    hide(section); // whatever is left there
    return false;
}

// Pages of a section that is logged may be clean: then stores are to be told.
void xbar_dynarmic::added(const MemoryRegionSection *section)
{
    if (show(section, !section->readonly &&
                          memory_region_get_dirty_log_mask(section->mr) == 0)) {
        shown.fetch_add(1);
    }
}

// Pages were made clean. From now on the page table does these, which knows.
void xbar_dynarmic::cleared(const MemoryRegionSection *section)
{
    (void)show(section, false);
}
