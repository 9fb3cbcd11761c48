/* SPDX-License-Identifier: MIT */
/*
 * An operation is one step after the other until all of it is done:
 *
 *   READ, WRITE   what the last step left over; none read is the file's end
 *   FLUSH         fdatasync
 *   DISCARD       punch a hole; a file system that cannot: fine
 *   ZERO          punch a hole, or zero the range; else write zeroes
 *   (durable)     and fdatasync, where the write itself cannot say so
 *
 * With a ring, a step is queued and its result comes later; without, it is a
 * system call. The rest is the same.
 */
#include "virtio/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "virtio/disk_ring.h"

/* Steps under way at one time: as many as requests are. */
#define RING_ENTRIES 256

#define ZEROES_SIZE (64 * 1024)

/* What O_DIRECT wants of addresses, offsets and lengths, at worst. */
#define DIRECT_ALIGN 4096

struct disk {
    const char *name;
    int fd;
    int direct_fd; /* -1: none */
    bool is_readonly;
    bool ignores_flush;
    bool was_reported;
    uint64_t size;
    struct disk_ring *ring; /* NULL: on this thread */
    void *zeroes;           /* what DISK_ZERO may write */
};

/* ---- Steps ------------------------------------------------------------- */

static bool is_aligned(const struct disk_op *op)
{
    uint64_t bits = op->offset | op->length | op->progress;

    for (unsigned i = 0; i < op->count; i++) {
        bits |= (uintptr_t)op->iov[i].iov_base | op->iov[i].iov_len;
    }
    return bits % DIRECT_ALIGN == 0;
}

/* Have the iov begin where the last step ended. */
static void skip_progress(struct disk_op *op)
{
    uint64_t left = op->progress;
    unsigned at = 0;

    while (left && left >= op->iov[at].iov_len) {
        left -= op->iov[at++].iov_len;
    }
    op->at = at;
    op->skipped = (size_t)left;
    op->iov[at].iov_base = (uint8_t *)op->iov[at].iov_base + left;
    op->iov[at].iov_len -= (size_t)left;
}

static void unskip_progress(struct disk_op *op)
{
    struct iovec *iov = &op->iov[op->at];

    iov->iov_base = (uint8_t *)iov->iov_base - op->skipped;
    iov->iov_len += op->skipped;
}

static struct disk_step transfer_step(struct disk *disk, struct disk_op *op)
{
    bool is_direct = disk->direct_fd >= 0 && is_aligned(op);

    skip_progress(op);
    return (struct disk_step){
        .kind = op->verb == DISK_READ ? DISK_STEP_READ : DISK_STEP_WRITE,
        .fd = is_direct ? disk->direct_fd : disk->fd,
        .flags = op->verb == DISK_WRITE && op->is_durable ? RWF_DSYNC : 0,
        .offset = op->offset + op->progress,
        .iov = &op->iov[op->at],
        .count = op->count - op->at,
    };
}

static struct disk_step zeroes_step(struct disk *disk, struct disk_op *op)
{
    uint64_t left = op->length - op->progress;

    op->zeroes = (struct iovec){
        disk->zeroes,
        left < ZEROES_SIZE ? (size_t)left : ZEROES_SIZE,
    };
    return (struct disk_step){
        .kind = DISK_STEP_WRITE,
        .fd = disk->fd,
        .offset = op->offset + op->progress,
        .iov = &op->zeroes,
        .count = 1,
    };
}

static struct disk_step allocate_step(struct disk *disk, struct disk_op *op)
{
    bool punches = op->verb == DISK_DISCARD || op->may_unmap;

    return (struct disk_step){
        .kind = DISK_STEP_ALLOCATE,
        .fd = disk->fd,
        .flags = punches ? FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE
                         : FALLOC_FL_ZERO_RANGE,
        .offset = op->offset,
        .length = op->length,
    };
}

static struct disk_step next_step(struct disk *disk, struct disk_op *op)
{
    if (op->verb == DISK_FLUSH || op->is_syncing) {
        return (struct disk_step){ .kind = DISK_STEP_SYNC, .fd = disk->fd };
    }
    if (op->verb == DISK_READ || op->verb == DISK_WRITE) {
        return transfer_step(disk, op);
    }
    return op->by_writing ? zeroes_step(disk, op) : allocate_step(disk, op);
}

static int run_step(const struct disk_step *step)
{
    ssize_t ret = 0;

    switch (step->kind) {
    case DISK_STEP_READ:
        ret = preadv2(step->fd, step->iov, (int)step->count,
                      (off_t)step->offset, step->flags);
        break;
    case DISK_STEP_WRITE:
        ret = pwritev2(step->fd, step->iov, (int)step->count,
                       (off_t)step->offset, step->flags);
        break;
    case DISK_STEP_SYNC:
        ret = fdatasync(step->fd);
        break;
    case DISK_STEP_ALLOCATE:
        ret = fallocate(step->fd, step->flags, (off_t)step->offset,
                        (off_t)step->length);
        break;
    }
    return ret < 0 ? -errno : (int)ret;
}

/* ---- Results ----------------------------------------------------------- */

enum { OP_GOES_ON = -1 };

static int take_transfer(struct disk_op *op, int result)
{
    if (result <= 0) {
        return result ? -result : EIO; /* an image that has become shorter */
    }
    op->progress += (unsigned)result;
    return op->progress < op->length ? OP_GOES_ON : 0;
}

static int take_allocation(struct disk_op *op, int result)
{
    if (result != -EOPNOTSUPP && result != -ENOSYS) {
        return -result;
    }
    op->by_writing = op->verb == DISK_ZERO;
    return op->by_writing ? OP_GOES_ON : 0;
}

/* Return: 0, errno, or that there is a step to come. */
static int take_result(struct disk_op *op, int result)
{
    bool is_transfer =
        op->verb == DISK_READ || op->verb == DISK_WRITE || op->by_writing;
    int error;

    if (is_transfer && !op->is_syncing && !op->by_writing) {
        unskip_progress(op);
    }
    if (result == -EINTR || result == -EAGAIN) {
        return OP_GOES_ON;
    }
    if (op->verb == DISK_FLUSH || op->is_syncing) {
        return -result;
    }
    error =
        is_transfer ? take_transfer(op, result) : take_allocation(op, result);
    if (error == 0 && op->is_durable && op->verb >= DISK_DISCARD) {
        op->is_syncing = true;
        return OP_GOES_ON;
    }
    return error;
}

/* Once a drive: the guest's own log tells of the others. */
static void report(struct disk *disk, const struct disk_op *op, int error)
{
    static const char *const verbs[] = { "reading", "writing", "flushing",
                                         "discarding", "zeroing" };

    if (!disk->was_reported) {
        disk->was_reported = true;
        fprintf(stderr, "xbar: %s: %s: %s; the guest gets an error\n",
                disk->name, verbs[op->verb], strerror(error));
    }
}

static void finish(struct disk *disk, struct disk_op *op, int error)
{
    if (error) {
        report(disk, op, error);
    }
    op->done(op, error);
}

/* ---- Operations -------------------------------------------------------- */

/* Nothing to do is done; fallocate() would complain. */
static bool is_empty(const struct disk *disk, const struct disk_op *op)
{
    return op->verb == DISK_FLUSH ? disk->ignores_flush : op->length == 0;
}

void disk_start(struct disk *disk, struct disk_op *op)
{
    int error = OP_GOES_ON;

    op->progress = 0;
    op->by_writing = false;
    op->is_syncing = false;
    if (is_empty(disk, op)) {
        error = 0;
    }
    while (error == OP_GOES_ON) {
        struct disk_step step = next_step(disk, op);

        if (disk->ring) {
            disk_ring_queue(disk->ring, &step, op);
            return;
        }
        error = take_result(op, run_step(&step));
    }
    finish(disk, op, error);
}

void disk_submit(struct disk *disk)
{
    if (disk->ring) {
        disk_ring_submit(disk->ring);
    }
}

int disk_fd(const struct disk *disk)
{
    return disk->ring ? disk_ring_fd(disk->ring) : -1;
}

void disk_reap(struct disk *disk)
{
    void *data;
    int result;

    while (disk->ring && disk_ring_reap(disk->ring, &data, &result)) {
        struct disk_op *op = data;
        int error = take_result(op, result);

        if (error == OP_GOES_ON) {
            struct disk_step step = next_step(disk, op);

            disk_ring_queue(disk->ring, &step, op);
        } else {
            finish(disk, op, error);
        }
        disk_ring_submit(disk->ring);
    }
}

/* ---- Open, close ------------------------------------------------------- */

/* Two writers would ruin the image, as would a writer under a reader. The lock
 * goes with the process, however it ends. */
static int lock_image(const struct disk *disk, Error **errp)
{
    struct flock lock = {
        .l_type = disk->is_readonly ? F_RDLCK : F_WRLCK,
        .l_whence = SEEK_SET,
    };

    if (fcntl(disk->fd, F_OFD_SETLK, &lock) == 0 ||
        (errno != EAGAIN && errno != EACCES)) {
        return 0; /* some file systems have no locks */
    }
    error_setg(errp, "%s: in use, by another drive or process", disk->name);
    return -EBUSY;
}

static int measure(struct disk *disk, Error **errp)
{
    struct stat stat;
    off_t end = -1;

    if (fstat(disk->fd, &stat) == 0 &&
        (S_ISREG(stat.st_mode) || S_ISBLK(stat.st_mode))) {
        end = lseek(disk->fd, 0, SEEK_END);
    }
    if (end < 0) {
        error_setg(errp, "%s: neither a file nor a block device", disk->name);
    } else if (end == 0) {
        error_setg(errp, "%s: empty", disk->name);
    } else if (end % DISK_SECTOR) {
        error_setg(errp, "%s: %lld bytes are no multiple of %d", disk->name,
                   (long long)end, DISK_SECTOR);
    } else {
        disk->size = (uint64_t)end;
        return 0;
    }
    return -EINVAL;
}

static int open_files(struct disk *disk, bool is_direct, Error **errp)
{
    int flags = (disk->is_readonly ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NOCTTY;

    disk->fd = open(disk->name, flags | O_NONBLOCK); /* a FIFO would wait */
    if (disk->fd >= 0 && is_direct) {
        disk->direct_fd = open(disk->name, flags | O_DIRECT);
    }
    if (disk->fd < 0 || (is_direct && disk->direct_fd < 0)) {
        int error = errno;

        error_setg(errp, "%s: %s%s", disk->name, strerror(error),
                   error == EINVAL && is_direct
                       ? " (cache=none is nothing for this file system)"
                       : "");
        return -error;
    }
    return 0;
}

static void open_ring(struct disk *disk)
{
    disk->ring = disk_ring_new(RING_ENTRIES);
    if (!disk->ring) {
        fprintf(stderr, "xbar: %s: no io_uring (%s): one request at a time\n",
                disk->name,
                errno == ENOTSUP ? "built without liburing" : strerror(errno));
    }
}

struct disk *disk_open(const struct drive_config *config, bool in_background,
                       Error **errp)
{
    struct disk *disk = calloc(1, sizeof(*disk));
    void *zeroes = calloc(1, ZEROES_SIZE);

    if (!disk || !zeroes) {
        free(disk);
        free(zeroes);
        error_setg(errp, "%s: no memory", config->file);
        return NULL;
    }
    disk->name = config->file;
    disk->fd = -1;
    disk->direct_fd = -1;
    disk->is_readonly = config->is_readonly;
    disk->ignores_flush = config->cache == DRIVE_CACHE_UNSAFE;
    disk->zeroes = zeroes;
    if (open_files(disk, config->cache == DRIVE_CACHE_NONE, errp) ||
        measure(disk, errp) || lock_image(disk, errp)) {
        disk_close(disk);
        return NULL;
    }
    if (in_background) {
        open_ring(disk);
    }
    return disk;
}

void disk_close(struct disk *disk)
{
    disk_ring_free(disk->ring);
    if (disk->size && !disk->is_readonly && !disk->ignores_flush) {
        (void)!fdatasync(disk->fd);
    }
    if (disk->direct_fd >= 0) {
        close(disk->direct_fd);
    }
    if (disk->fd >= 0) {
        close(disk->fd);
    }
    free(disk->zeroes);
    free(disk);
}

uint64_t disk_sectors(const struct disk *disk)
{
    return disk->size / DISK_SECTOR;
}
