/* SPDX-License-Identifier: MIT */
/*
 * Files as memory: opening, making and sizing them.
 *
 *     path is     a file        opened; extended only if it is empty
 *                 nothing       made; another process may be quicker: again
 *                 a directory   a file without a name in it
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "engine/engine_internal.h"
#include "engine/ram.h"
#include "engine/ram_writes.h"

/* Somebody who makes and removes the file all the time ends with an error. */
#define OPEN_ATTEMPTS 16

size_t ram__page_size(int fd)
{
    struct statfs fs;

    if (fd >= 0 && fstatfs(fd, &fs) == 0 && fs.f_type == HUGETLBFS_MAGIC) {
        return (size_t)fs.f_bsize;
    }
    return (size_t)sysconf(_SC_PAGESIZE);
}

int ram__open_memory(uint64_t size, bool huge)
{
    int fd = memfd_create("xbar-ram", MFD_CLOEXEC | MFD_ALLOW_SEALING |
                                          (huge ? MFD_HUGETLB : 0));
    uint64_t page;

    if (fd < 0) {
        return -1;
    }
    page = ram__page_size(fd);
    if (size > INT64_MAX - page ||
        ftruncate(fd, (off_t)((size + page - 1) / page * page)) != 0) {
        int saved = size > INT64_MAX - page ? ENOMEM : errno;

        close(fd);
        errno = saved;
        return -1;
    }
    /* An old kernel has no seals for huge pages: it works without. */
    (void)fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL);
    return fd;
}

/* ---- Opening ----------------------------------------------------------- */

static int open_in_directory(const char *path)
{
    char file[4096];
    int fd;

    if (snprintf(file, sizeof(file), "%s/xbar-ram.XXXXXX", path) >=
        (int)sizeof(file)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    fd = mkostemp(file, O_CLOEXEC);
    if (fd >= 0) {
        unlink(file);
    }
    return fd;
}

static bool is_directory(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* One attempt; -1 with EEXIST or EINTR: again. */
static int open_or_make(const char *path, bool readonly, bool *made)
{
    /* A pipe must not keep us waiting for its other end. */
    int flags = O_CLOEXEC | O_NONBLOCK | (readonly ? O_RDONLY : O_RDWR);
    int fd;

    if (is_directory(path) && !readonly) {
        return open_in_directory(path);
    }
    fd = open(path, flags);
    if (fd < 0 && errno == ENOENT && !readonly) {
        fd = open(path, flags | O_CREAT | O_EXCL, 0644);
        *made = fd >= 0;
    }
    return fd;
}

int ram__open(const char *path, bool readonly, bool *made, int *rc,
              Error **errp)
{
    int fd = -1;

    *made = false;
    if (!path || !*path) {
        *rc = -EINVAL;
        error_setg(errp, "no file is named");
        return -1;
    }
    for (int i = 0; fd < 0 && i < OPEN_ATTEMPTS; i++) {
        fd = open_or_make(path, readonly, made);
        if (fd < 0 && errno != EEXIST && errno != EINTR) {
            break;
        }
    }
    *rc = fd < 0 ? -errno : 0;
    if (fd < 0) {
        error_setg(errp, "cannot open %s: %s", path, strerror(errno));
    }
    return fd;
}

/* ---- Sizing ------------------------------------------------------------ */

static int refuse_file(Error **errp, int rc, const char *why)
{
    error_setg(errp, "the file cannot be memory: %s", why);
    return rc;
}

static int extend(int fd, uint64_t end, Error **errp)
{
    uint64_t page = ram__page_size(fd);

    end = (end + page - 1) / page * page;
    if (ftruncate(fd, (off_t)end) != 0) {
        int rc = -errno;

        return refuse_file(errp, rc, strerror(-rc));
    }
    return 0;
}

int ram__fit_file(int fd, uint64_t offset, uint64_t size, bool *extended,
                  Error **errp)
{
    struct stat st;

    *extended = false;
    if (fstat(fd, &st) != 0) {
        int rc = -errno;

        return refuse_file(errp, rc, strerror(-rc));
    }
    if (!S_ISREG(st.st_mode) && !S_ISCHR(st.st_mode)) {
        return refuse_file(errp, -EINVAL, "it is neither a file nor a device");
    }
    if (size == 0 || size > INT64_MAX / 2 || offset > INT64_MAX / 2) {
        return refuse_file(errp, -EINVAL, "size or offset out of range");
    }
    if (S_ISCHR(st.st_mode) || (uint64_t)st.st_size >= offset + size) {
        return 0;
    }
    if (st.st_size != 0) {
        error_setg(errp, "the file has %lld bytes, %llu are needed",
                   (long long)st.st_size, (unsigned long long)(offset + size));
        return -EINVAL;
    }
    *extended = true;
    return extend(fd, offset + size, errp);
}

/* ---- Writing back ------------------------------------------------------ */

/* Through aliases to the block; NULL if the range is not all inside. */
static struct xbar_ram_block *resolve(MemoryRegion *mr, hwaddr *addr,
                                      hwaddr size)
{
    MemoryRegion *next;

    if (!mr || !mr->engine) {
        return NULL;
    }
    for (; (next = region__alias(mr)) != NULL; mr = next) {
        if (__builtin_add_overflow(*addr, region__alias_offset(mr), addr)) {
            return NULL;
        }
    }
    if (!mr->ram_block || *addr > ram__size(mr->ram_block) ||
        size > ram__size(mr->ram_block) - *addr) {
        return NULL;
    }
    return mr->ram_block;
}

int memory_region_msync(MemoryRegion *mr, hwaddr addr, hwaddr size)
{
    struct xbar_ram_block *block = resolve(mr, &addr, size);
    uintptr_t first, end;

    if (!block) {
        return -EINVAL;
    }
    if (block->fd < 0 || !(block->flags & RAM_SHARED) || size == 0) {
        return 0;
    }
    first = (uintptr_t)(block->host + addr);
    end = first + size;
    first -= first % block->page_size;
    return msync((void *)first, end - first, MS_SYNC) == 0 ? 0 : -errno;
}

int memory_region_flush_rom_device(MemoryRegion *mr, hwaddr addr, hwaddr size)
{
    const struct xbar_ram_block *block = resolve(mr, &addr, size);

    if (!block) {
        return -EINVAL;
    }
    xbar_ram_wrote(mr->engine, block->host + addr, size);
    return 0;
}
