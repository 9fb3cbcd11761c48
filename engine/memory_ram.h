/* SPDX-License-Identifier: MIT */
/**
 * Regions with memory behind them, beyond plain RAM and ROM: shared, from a
 * file, resizeable, ROM devices, a device's own memory.
 *
 * What engine/memory.h says about regions, errors and threads holds here. A
 * call with @errp stores an Error there as well as returning -errno; QEMU's
 * void-style callers may look at either.
 */
#ifndef XBAR_ENGINE_MEMORY_RAM_H
#define XBAR_ENGINE_MEMORY_RAM_H

#include "memory.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * An offset in the engine's linear numbering of RAM: every block has a range
 * of its own, in the order of their making, none of which is used again.
 */
typedef uint64_t ram_addr_t;
#define RAM_ADDR_INVALID (~(ram_addr_t)0)

/**
 * What a caller may ask of memory, OR-ed. Values are QEMU's where it has one;
 * other bits are refused with -EINVAL. Row M-86.
 */
enum xbar_ram_flags {
    /* Others may map it too: a file's changes reach the file; memory without
     * a file gets a descriptor, memory_region_get_fd(). */
    RAM_SHARED = 1 << 1,
    /* Persistent memory: memory_region_msync() is what makes it so. */
    RAM_PMEM = 1 << 5,
    /* No swap is set aside. Where memory is short, touching it kills. */
    RAM_NORESERVE = 1 << 7,
    /* For the caller to know; memory_region_is_protected(). */
    RAM_PROTECTED = 1 << 8,
    /* A file opened for reading only; the region is a ROM. What
     * address_space_write_rom() stores never reaches the file. */
    RAM_READONLY = 1 << 11,
    /* xbar's own: huge pages of the host's pool (hugetlbfs), or -ENOMEM. Plain
     * memory is advised to use transparent ones without asking. */
    XBAR_RAM_HUGETLB = 1 << 24,
};

/* ---- Making ------------------------------------------------------------ */

/**
 * memory_region_init_ram_flags_nomigrate() - memory of its own, as asked
 * @ram_flags: RAM_SHARED, RAM_NORESERVE, RAM_PROTECTED, XBAR_RAM_HUGETLB
 *
 * Row M-20. Return: 0; -EINVAL for other flags; -ENOMEM, or what the host said.
 */
XBAR_API int
memory_region_init_ram_flags_nomigrate(MemoryRegion *mr, Object *owner,
                                       const char *name, uint64_t size,
                                       uint32_t ram_flags, Error **errp);

/**
 * memory_region_init_resizeable_ram() - memory that may grow and shrink
 * @size: bytes that it shows at first
 * @max_size: bytes of address space set aside; memory only where touched
 * @resized: NULL, or called by memory_region_ram_resize() with @name, the new
 * size and the host address of byte 0, which never changes
 *
 * Row M-23. Return: 0; -EINVAL if @size is above @max_size; -ENOMEM.
 */
XBAR_API int memory_region_init_resizeable_ram(
    MemoryRegion *mr, Object *owner, const char *name, uint64_t size,
    uint64_t max_size,
    void (*resized)(const char *name, uint64_t length, void *host),
    Error **errp);

/**
 * memory_region_init_ram_from_file() - a file's bytes
 * @align: of the host address: a power of two; raised to the file's page size
 * @ram_flags: RAM_SHARED, RAM_PMEM, RAM_NORESERVE, RAM_PROTECTED, RAM_READONLY
 * @path: a file, made with @size bytes if there is none; or a directory, for a
 * file without a name in it (huge pages: one on hugetlbfs)
 * @readonly: the same as RAM_READONLY
 *
 * An empty file is extended; any other is neither extended nor cut. Without
 * RAM_SHARED the file is what memory holds at first, and is never changed.
 * Whoever cuts the file while it is mapped takes pages away from the guest,
 * and touching those is SIGBUS.
 *
 * Row M-24. Return: 0; -EINVAL for flags, an @align that is no power of two,
 * @size 0, or a file that is too small or no file; or what the host said.
 * On failure a file that this call made is gone again.
 */
XBAR_API int memory_region_init_ram_from_file(MemoryRegion *mr, Object *owner,
                                              const char *name, uint64_t size,
                                              uint64_t align,
                                              uint32_t ram_flags,
                                              const char *path, bool readonly,
                                              Error **errp);

/**
 * memory_region_init_ram_from_fd() - the same, of an open file
 * @fd: the region's from here on, and closed when it ends; the caller's still
 * if this fails
 * @offset: of byte 0 in the file; a multiple of its page size
 *
 * Row M-24. Return: as above; -EINVAL for a bad @offset; -EBADF.
 */
XBAR_API int memory_region_init_ram_from_fd(MemoryRegion *mr, Object *owner,
                                            const char *name, uint64_t size,
                                            uint32_t ram_flags, int fd,
                                            ram_addr_t offset, Error **errp);

/**
 * memory_region_init_ram_device_ptr() - a device's own memory, at @ptr
 *
 * As memory_region_init_ram_ptr(), and memory_region_is_ram_device(): every
 * aligned access of 1, 2, 4 or 8 bytes is one host access of that width; bulk
 * transfers make the widest aligned ones that fit, in ascending order. Not for
 * dumps of memory.
 *
 * Row M-22. Return: 0; -EINVAL; -ENOMEM.
 */
XBAR_API int memory_region_init_ram_device_ptr(MemoryRegion *mr, Object *owner,
                                               const char *name, uint64_t size,
                                               void *ptr);

/**
 * memory_region_init_rom_device_nomigrate() - reads from memory, writes to
 * callbacks
 * @ops: must outlive @mr; as for memory_region_init_io(), and not NULL
 *
 * A flash: while in romd mode, as after this, reads are as fast as RAM; out of
 * it they go to @ops, too. The device changes its memory through
 * memory_region_get_ram_ptr(), and then says so:
 * memory_region_flush_rom_device().
 *
 * Row M-26. Return: 0; -EINVAL; -ENOMEM.
 */
XBAR_API int memory_region_init_rom_device_nomigrate(
    MemoryRegion *mr, Object *owner, const MemoryRegionOps *ops, void *opaque,
    const char *name, uint64_t size, Error **errp);

/** memory_region_init_reservation() - answers nothing; row M-27 */
static inline int memory_region_init_reservation(MemoryRegion *mr,
                                                 Object *owner,
                                                 const char *name,
                                                 uint64_t size)
{
    return memory_region_init_io(mr, owner, NULL, mr, name, size);
}

/*
 * QEMU's names for memory that is not migrated, which here none is. Rows M-20,
 * M-25, M-26.
 */
static inline int memory_region_init_ram_nomigrate(MemoryRegion *mr,
                                                   Object *owner,
                                                   const char *name,
                                                   uint64_t size, Error **errp)
{
    return memory_region_init_ram(mr, owner, name, size, errp);
}

static inline int memory_region_init_rom_nomigrate(MemoryRegion *mr,
                                                   Object *owner,
                                                   const char *name,
                                                   uint64_t size, Error **errp)
{
    return memory_region_init_rom(mr, owner, name, size, errp);
}

static inline int memory_region_init_rom_device(MemoryRegion *mr, Object *owner,
                                                const MemoryRegionOps *ops,
                                                void *opaque, const char *name,
                                                uint64_t size, Error **errp)
{
    return memory_region_init_rom_device_nomigrate(mr, owner, ops, opaque, name,
                                                   size, errp);
}

/* ---- Changing ---------------------------------------------------------- */

/**
 * memory_region_ram_resize() - show more, or less, of resizeable memory
 * @newsize: bytes; sets the region's size as well
 *
 * Part of a transaction, as memory_region_set_size(). What is hidden keeps
 * its contents. `resized` is called here, and once more, with the old size, if
 * the transaction becomes void; it may change the tree the first time.
 *
 * Row M-23. Return: 0; -EINVAL if @mr is not resizeable, or @newsize is more
 * than it can be; as the mutators of engine/memory.h.
 */
XBAR_API int memory_region_ram_resize(MemoryRegion *mr, ram_addr_t newsize,
                                      Error **errp);

/**
 * memory_region_rom_device_set_romd() - read memory, or ask the callbacks
 *
 * Part of a transaction. Costs a commit of what shows @mr; accesses under way
 * finish in the mode that they began in.
 *
 * Row M-26. Return: 0; -EINVAL if @mr is no ROM device; as the mutators.
 */
XBAR_API int memory_region_rom_device_set_romd(MemoryRegion *mr,
                                               bool romd_mode);

/**
 * memory_region_flush_rom_device() - the memory of @mr was changed
 * @addr, @size: what was, in @mr
 *
 * Any memory that was written through its host address: code that a vCPU made
 * of it is looked at again, as after DMA.
 *
 * Row M-26. Context: any thread, after the writes. Return: 0; -EINVAL if that
 * is not inside memory behind @mr.
 */
XBAR_API int memory_region_flush_rom_device(MemoryRegion *mr, hwaddr addr,
                                            hwaddr size);

/**
 * memory_region_set_nonvolatile() - does memory survive power loss?
 *
 * On a container or alias it holds for that path only; sections say so. Part
 * of a transaction. Rows M-13, M-30. Return: as the mutators.
 */
XBAR_API int memory_region_set_nonvolatile(MemoryRegion *mr, bool nonvolatile);

/**
 * memory_region_msync() - write a shared file's part of @mr back
 *
 * Waits for the host. Other memory has nowhere to go: 0 at once. Row M-82.
 * Return: 0; -EINVAL if that is not inside memory behind @mr; -EIO and others.
 */
XBAR_API int memory_region_msync(MemoryRegion *mr, hwaddr addr, hwaddr size);

/** memory_region_writeback() - QEMU's other name for it; row M-82 */
static inline int memory_region_writeback(MemoryRegion *mr, hwaddr addr,
                                          hwaddr size)
{
    return memory_region_msync(mr, addr, size);
}

/* ---- Asking ------------------------------------------------------------ */

/** memory_region_is_romd() - a ROM device in romd mode; row M-105 */
XBAR_API bool memory_region_is_romd(MemoryRegion *mr);
/** memory_region_is_ram_device() - memory_region_is_ram() as well; row M-105 */
XBAR_API bool memory_region_is_ram_device(MemoryRegion *mr);
/** memory_region_is_nonvolatile() - set on @mr itself; row M-105 */
XBAR_API bool memory_region_is_nonvolatile(MemoryRegion *mr);
/** memory_region_is_protected() - made with RAM_PROTECTED; row M-105 */
XBAR_API bool memory_region_is_protected(MemoryRegion *mr);
/** memory_region_get_fd() - through aliases; -1 if there is none; row M-105 */
XBAR_API int memory_region_get_fd(MemoryRegion *mr);
/** memory_region_get_alignment() - asked of a file; 0: any; row M-105 */
XBAR_API uint64_t memory_region_get_alignment(const MemoryRegion *mr);

/**
 * memory_region_get_ram_addr() - where the memory of @mr is numbered
 *
 * Rows M-83, M-105. Return: RAM_ADDR_INVALID if there is none; aliases have none.
 */
XBAR_API ram_addr_t memory_region_get_ram_addr(MemoryRegion *mr);

/**
 * memory_region_from_host() - which region's memory is at @ptr?
 * @offset: gets the offset of @ptr in it
 *
 * Of the engine current on the thread. If several regions were made of one
 * buffer, the one made last. Looks at each block: O(n).
 *
 * Row M-85. Context: any thread; the region is the caller's to keep alive.
 * Return: NULL if that is no region's.
 */
XBAR_API MemoryRegion *memory_region_from_host(void *ptr, ram_addr_t *offset);

/* ---- References -------------------------------------------------------- */

/**
 * memory_region_ref() / memory_region_unref() - put off the end of @mr
 *
 * A region that was destroyed does not end, nor does the memory behind it,
 * while somebody has a reference; each counts for its owner, too
 * (engine/engine.h: owner_ref). Views, maps and caches take their own.
 *
 * Row M-93. Context: any thread; ref only while something else keeps @mr.
 * NULL, and an unref without a ref, are ignored.
 */
XBAR_API void memory_region_ref(MemoryRegion *mr);
XBAR_API void memory_region_unref(MemoryRegion *mr);

#ifdef __cplusplus
}
#endif

#endif
