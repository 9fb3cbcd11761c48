/* SPDX-License-Identifier: MIT */
/**
 * The memory blocks behind RAM regions: finding them, hearing of them, giving
 * their memory back to the host.
 *
 * Each region with memory has one block. A RAMBlock is good for as long as its
 * region; what looks one up says whose. Blocks belong to the engine of their
 * region; a call without a block or region is about the engine current on the
 * thread.
 *
 * Context of everything here, if nothing else is said: any thread; takes the
 * engine's writer lock for a short time.
 */
#ifndef XBAR_ENGINE_RAM_BLOCK_H
#define XBAR_ENGINE_RAM_BLOCK_H

#include <stddef.h>

#include "memory_ram.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct xbar_ram_block RAMBlock;

/* ---- Looking ----------------------------------------------------------- */

/** What a block is. Pointers are good for as long as it is. */
struct xbar_ram_block_info {
    MemoryRegion *mr;
    const char *name; /* the region's; several may have the same */
    void *host;       /* byte 0; NULL if max_size is 0 */
    uint64_t size;    /* bytes that may be shown */
    uint64_t max_size;
    ram_addr_t addr;    /* in the numbering of memory_region_get_ram_addr() */
    size_t page_size;   /* what the host gives and takes back */
    int fd;             /* -1: none */
    uint64_t fd_offset; /* of byte 0 in the file */
    uint32_t flags;     /* enum xbar_ram_flags */
    bool is_callers;    /* memory_region_init_ram_ptr() and the like */
};

/** xbar_ram_block_of() - NULL if @mr has no memory; aliases have none */
XBAR_API RAMBlock *xbar_ram_block_of(const MemoryRegion *mr);

/** xbar_ram_block_get_info() - row M-84. Context: needs no lock. */
XBAR_API void xbar_ram_block_get_info(const RAMBlock *block,
                                      struct xbar_ram_block_info *info);

/**
 * xbar_ram_block_by_name() - the block of the region with that name
 *
 * Of several, the one made last. Looks at each block: O(n). Row M-85.
 * Return: NULL if there is none.
 */
XBAR_API RAMBlock *xbar_ram_block_by_name(const char *name);

/**
 * xbar_ram_block_from_host() - whose memory is at @ptr?
 * @offset: gets the offset of @ptr in it; NULL is fine
 *
 * As memory_region_from_host(). Row M-85. Return: NULL if that is nobody's.
 */
XBAR_API RAMBlock *xbar_ram_block_from_host(const void *ptr,
                                            ram_addr_t *offset);

/** Nonzero ends the walk. */
typedef int(RAMBlockIterFunc)(RAMBlock *block, void *opaque);

/**
 * xbar_ram_block_foreach() - call @func for each block, the newest first
 *
 * The writer lock is held meanwhile: no block comes or goes but those that
 * @func makes, which are not walked. Rows M-84, M-103. Return: 0, or what @func did.
 */
XBAR_API int xbar_ram_block_foreach(RAMBlockIterFunc *func, void *opaque);

/* ---- Hearing of them --------------------------------------------------- */

typedef struct RAMBlockNotifier RAMBlockNotifier;

/**
 * Who pins memory, or maps it elsewhere. In the caller's storage, zeroed but
 * for the callbacks, each of which may be NULL.
 */
struct RAMBlockNotifier {
    /* There is memory at @host: @size bytes, or later up to @max_size. */
    void (*ram_block_added)(RAMBlockNotifier *n, void *host, size_t size,
                            size_t max_size);
    /* Nothing refers to it any more, and it goes when this returns. */
    void (*ram_block_removed)(RAMBlockNotifier *n, void *host, size_t size,
                              size_t max_size);
    /* It will have @new_size; told again the other way round if the
     * transaction becomes void. */
    void (*ram_block_resized)(RAMBlockNotifier *n, void *host, size_t old_size,
                              size_t new_size);
    RAMBlockNotifier *next XBAR_PRIVATE_ENGINE;
    struct xbar_engine *engine XBAR_PRIVATE_ENGINE; /* NULL: not added */
};

/**
 * ram_block_notifier_add() - be told of blocks; first of those that there are
 *
 * Callbacks run under the engine's writer lock, on the thread that makes,
 * resizes or reclaims; they may do what a listener's may (their edits of the
 * tree are part of the transaction that resizes), and add and remove notifiers,
 * themselves included. Blocks of no bytes are not told.
 *
 * Row M-89. Return: 0; -EINVAL if @n is added already.
 */
XBAR_API int ram_block_notifier_add(RAMBlockNotifier *n);

/**
 * ram_block_notifier_remove() - told that all is removed, and then no more
 *
 * Row M-89. Return: 0; -EINVAL if @n is not added.
 */
XBAR_API int ram_block_notifier_remove(RAMBlockNotifier *n);

/* ---- Giving memory back ------------------------------------------------ */

/**
 * ram_block_discard_range() - the host may have this memory back
 * @start: in the block; a multiple of its page_size, as is @length
 *
 * Up to max_size, rounded up to a page. What is read there afterwards:
 *
 *     memory of its own              zeros
 *     a file's, RAM_SHARED           zeros: the file has a hole there
 *     a private copy of a file's,    the file's bytes again; the file is not
 *     or a read-only one             touched
 *
 * That is a write of the guest's memory: dirty logs and who keeps code of it
 * are told. A guest that accesses it meanwhile sees either.
 *
 * Row M-87. Context: needs no lock. Return: 0; -EINVAL for the caller's own
 * memory, and a range that is not aligned or not inside; -EBUSY while
 * ram_block_discard_disable() holds; or what the host said, for a file system
 * that cannot (-EOPNOTSUPP).
 */
XBAR_API int ram_block_discard_range(RAMBlock *block, uint64_t start,
                                     size_t length);

/**
 * ram_block_discard_disable() and others - who may not stand beside whom
 * @state: true: from now on; false: that is over (once for each true)
 *
 *                                refused (-EBUSY) while somebody holds
 *     discard_disable            discard_require, coordinated_discard_require
 *     uncoordinated_discard_     discard_require
 *       disable
 *     discard_require            discard_disable, uncoordinated_..._disable
 *     coordinated_discard_       discard_disable
 *       require
 *
 * Who pins all memory disables discards; who pins through a RamDiscardManager
 * disables those that no manager knows of; a balloon requires any, a device
 * with a manager coordinated ones. Of the current engine.
 *
 * Row M-87. Return: 0; -EBUSY; -EINVAL for a false without a true.
 */
XBAR_API int ram_block_discard_disable(bool state);
XBAR_API int ram_block_uncoordinated_discard_disable(bool state);
XBAR_API int ram_block_discard_require(bool state);
XBAR_API int ram_block_coordinated_discard_require(bool state);
/** Does somebody hold one, of either kind? Row M-87. */
XBAR_API bool ram_block_discard_is_disabled(void);
XBAR_API bool ram_block_discard_is_required(void);

/**
 * xbar_ram_remap() - new memory of the same kind in place of what is lost
 * @addr, @length: in the numbering of memory_region_get_ram_addr(); multiples
 * of the block's page_size, inside one block
 *
 * After the host reported that pages are broken: the addresses stay, what they
 * hold is as after ram_block_discard_range(), but that a shared file's part is
 * read anew. Advice and bindings are the caller's to repeat.
 *
 * Row M-91. Return: 0; -EINVAL, also for the caller's own memory; or what the
 * host said, after which that part may be unmapped.
 */
XBAR_API int xbar_ram_remap(ram_addr_t addr, ram_addr_t length);

/* ---- How the host keeps it --------------------------------------------- */

/** What a QEMU host memory backend has properties for. Row M-90. */
enum xbar_ram_advice {
    XBAR_RAM_PREALLOC, /* have it there now; contents stay */
    XBAR_RAM_MERGE,    /* equal pages may become one */
    XBAR_RAM_NO_MERGE,
    XBAR_RAM_DUMP, /* part of the process's core dumps */
    XBAR_RAM_NO_DUMP,
};

/**
 * xbar_ram_block_advise() - @advice for [@start, @start + @length)
 *
 * Ranges as for ram_block_discard_range(). To have memory there sooner, several
 * threads may each ask for a part; libxbar starts none. A private copy of a
 * file becomes a copy by that.
 *
 * The other properties of a backend are at a region's making: size, max_size,
 * RAM_SHARED, RAM_NORESERVE, XBAR_RAM_HUGETLB, RAM_PMEM, RAM_READONLY, a file
 * and its alignment; huge pages of another than the host's default size are a
 * directory of a hugetlbfs of that size. Memory that is shared without a file
 * of the caller's has a sealed one: who it is passed to cannot resize it.
 *
 * Row M-90. Context: needs no lock. Return: 0; -EINVAL as there; or what the
 * host said (-ENOMEM, -EINVAL for what it was built without).
 */
XBAR_API int xbar_ram_block_advise(RAMBlock *block, uint64_t start,
                                   uint64_t length,
                                   enum xbar_ram_advice advice);

/** How the host chooses nodes for memory that is not there yet. */
enum xbar_ram_placement {
    XBAR_RAM_PLACE_DEFAULT,
    XBAR_RAM_PLACE_PREFERRED,
    XBAR_RAM_PLACE_BIND,
    XBAR_RAM_PLACE_INTERLEAVE,
};

/**
 * xbar_ram_block_place() - choose the host's nodes for a block
 * @nodes: @count bits, the lowest first; none (NULL, 0) for DEFAULT
 *
 * What is there already is moved. Row M-90. Context: needs no lock. Return: 0;
 * -EINVAL for the caller's own memory, or nodes that the host does not have;
 * -ENOSYS or -EPERM from a host without nodes.
 */
XBAR_API int xbar_ram_block_place(RAMBlock *block,
                                  enum xbar_ram_placement placement,
                                  const unsigned long *nodes,
                                  unsigned long count);

/* ---- QEMU's names ------------------------------------------------------ */

/* Rows M-84, M-85, M-91: what the functions above do or tell, one by one. */
static inline struct xbar_ram_block_info
xbar_ram_block_info_of(const RAMBlock *block)
{
    struct xbar_ram_block_info info;

    xbar_ram_block_get_info(block, &info);
    return info;
}

static inline RAMBlock *qemu_ram_block_by_name(const char *name)
{
    return xbar_ram_block_by_name(name);
}

static inline RAMBlock *qemu_ram_block_from_host(void *ptr, bool round_offset,
                                                 ram_addr_t *offset)
{
    RAMBlock *block = xbar_ram_block_from_host(ptr, offset);

    if (block && round_offset) { /* the offset of its host page */
        *offset -= *offset % xbar_ram_block_info_of(block).page_size;
    }
    return block;
}

static inline int qemu_ram_foreach_block(RAMBlockIterFunc *func, void *opaque)
{
    return xbar_ram_block_foreach(func, opaque);
}

static inline const char *qemu_ram_get_idstr(RAMBlock *block)
{
    return xbar_ram_block_info_of(block).name;
}

static inline void *qemu_ram_get_host_addr(RAMBlock *block)
{
    return xbar_ram_block_info_of(block).host;
}

static inline ram_addr_t qemu_ram_get_offset(RAMBlock *block)
{
    return xbar_ram_block_info_of(block).addr;
}

static inline ram_addr_t qemu_ram_get_used_length(RAMBlock *block)
{
    return xbar_ram_block_info_of(block).size;
}

static inline ram_addr_t qemu_ram_get_max_length(RAMBlock *block)
{
    return xbar_ram_block_info_of(block).max_size;
}

static inline size_t qemu_ram_pagesize(RAMBlock *block)
{
    return xbar_ram_block_info_of(block).page_size;
}

static inline bool qemu_ram_is_shared(RAMBlock *block)
{
    return (xbar_ram_block_info_of(block).flags & RAM_SHARED) != 0;
}

/** The number of the byte at @ptr; RAM_ADDR_INVALID: nobody's. Row M-85. */
static inline ram_addr_t qemu_ram_addr_from_host(void *ptr)
{
    ram_addr_t offset = 0;
    RAMBlock *block = xbar_ram_block_from_host(ptr, &offset);
    ram_addr_t addr = block ? qemu_ram_get_offset(block) : RAM_ADDR_INVALID;

    return addr == RAM_ADDR_INVALID ? addr : addr + offset;
}

/** As xbar_ram_remap(). Row M-91. */
static inline int qemu_ram_remap(ram_addr_t addr, ram_addr_t length)
{
    return xbar_ram_remap(addr, length);
}

#ifdef __cplusplus
}
#endif

#endif
