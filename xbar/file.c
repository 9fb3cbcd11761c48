/* SPDX-License-Identifier: MIT */
#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* Where a file that is not regular starts: grown by doubling. */
#define FIRST_GUESS (64 * 1024)

/* How long a FIFO may be without another end. */
#define PIPE_PATIENCE_MS 2000
#define PIPE_STEP_MS     10

static int fail(Error **errp, const char *path, int error)
{
    error_setg(errp, "%s: %s", path, strerror(error));
    return -error;
}

/* Of a file that is read. */
static int refuse(Error **errp, const char *path, int error, size_t limit)
{
    if (error != EFBIG) {
        return fail(errp, path, error);
    }
    error_setg(errp, "%s: larger than %zu MiB", path, limit >> 20);
    return -error;
}

/* A program that was started beside this one may have yet to open its end of a
 * FIFO. Return: false once it had all the time it gets. */
static bool wait_a_moment(unsigned *waited_ms)
{
    const struct timespec step = { .tv_nsec = PIPE_STEP_MS * 1000000 };

    if (*waited_ms >= PIPE_PATIENCE_MS) {
        return false;
    }
    *waited_ms += PIPE_STEP_MS;
    (void)nanosleep(&step, NULL);
    return true;
}

static bool is_fifo(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISFIFO(st.st_mode);
}

/* Empty, and without a writer? tee() looks into a pipe and takes nothing; into
 * what is no pipe it does not. */
static bool is_silent(int fd)
{
    int other[2];
    ssize_t seen = -1;

    if (pipe2(other, O_CLOEXEC) == 0) {
        seen = tee(fd, other[1], 1, SPLICE_F_NONBLOCK);
        close(other[0]);
        close(other[1]);
    }
    return seen == 0;
}

int file_open_to_read(const char *path, Error **errp)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    unsigned waited_ms = 0;

    if (fd < 0) {
        return fail(errp, path, errno);
    }
    while (is_silent(fd)) {
        if (!wait_a_moment(&waited_ms)) {
            close(fd);
            error_setg(errp, "%s: a pipe that nobody writes to", path);
            return -EPIPE;
        }
    }
    (void)fcntl(fd, F_SETFL, O_RDONLY); /* not to wait was for open() */
    return fd;
}

int file_open_to_write(const char *path, int flags, Error **errp)
{
    unsigned waited_ms = 0;
    int error;
    int fd;

    do {
        fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK | flags,
                  0666);
        if (fd >= 0) {
            (void)fcntl(fd, F_SETFL, O_WRONLY);
            return fd;
        }
        error = errno; /* is_fifo() has its own */
        if (error != ENXIO || !is_fifo(path)) {
            return fail(errp, path, error);
        }
    } while (wait_a_moment(&waited_ms));
    error_setg(errp, "%s: a pipe that nobody reads", path);
    return -EPIPE;
}

ssize_t file_read_fully(int fd, void *to, size_t want)
{
    size_t have = 0;

    while (have < want) {
        ssize_t got = read(fd, (uint8_t *)to + have, want - have);

        if (got == 0) {
            break;
        }
        if (got < 0 && errno != EINTR) {
            return -errno;
        }
        if (got > 0) {
            have += (size_t)got;
        }
    }
    return (ssize_t)have;
}

/*
 * Read to the end or to @limit. One byte more than expected is asked for, so
 * that the end of a file of known size is seen without growing the buffer.
 */
static int read_all(int fd, size_t expected, size_t limit, uint8_t **bytes,
                    size_t *size)
{
    size_t capacity = expected + 1;
    uint8_t *buf = NULL;
    size_t have = 0;

    for (;;) {
        uint8_t *grown = realloc(buf, capacity);
        ssize_t got;

        if (!grown) {
            free(buf);
            return -ENOMEM;
        }
        buf = grown;
        got = file_read_fully(fd, buf + have, capacity - have);
        if (got < 0) {
            free(buf);
            return (int)got;
        }
        have += (size_t)got;
        if (have < capacity) {
            break;
        }
        if (have > limit) {
            free(buf);
            return -EFBIG;
        }
        capacity *= 2;
    }
    *bytes = buf;
    *size = have;
    return 0;
}

static int read_open_file(int fd, size_t limit, uint8_t **bytes, size_t *size)
{
    size_t expected = FIRST_GUESS;
    struct stat st;

    if (fstat(fd, &st)) {
        return -errno;
    }
    if (S_ISREG(st.st_mode)) {
        expected = (size_t)st.st_size;
    }
    if (expected > limit && S_ISREG(st.st_mode)) {
        return -EFBIG;
    }
    return read_all(fd, expected, limit, bytes, size);
}

int file_read(const char *path, size_t limit, uint8_t **bytes, size_t *size,
              Error **errp)
{
    int fd = file_open_to_read(path, errp);
    int ret;

    if (fd < 0) {
        return fd;
    }
    ret = read_open_file(fd, limit, bytes, size);
    close(fd);
    if (ret) {
        return refuse(errp, path, -ret, limit);
    }
    if (*size == 0) {
        free(*bytes);
        *bytes = NULL;
        error_setg(errp, "%s: the file is empty", path);
        return -EINVAL;
    }
    return 0;
}

int file_open(const char *path, size_t limit, int *fd, size_t *size,
              Error **errp)
{
    struct stat st;
    int error = 0;

    *fd = -1;
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
        return 0; /* opened twice, a pipe loses its writer */
    }
    *fd = file_open_to_read(path, errp);
    if (*fd < 0) {
        return *fd;
    }
    if (fstat(*fd, &st)) {
        error = errno;
    } else if (S_ISREG(st.st_mode) && (uint64_t)st.st_size > limit) {
        error = EFBIG;
    } else if (S_ISREG(st.st_mode) && st.st_size > 0) {
        *size = (size_t)st.st_size;
        return 0;
    }
    close(*fd);
    *fd = -1;
    return error ? refuse(errp, path, error, limit) : 0;
}

bool file_read_at(int fd, void *to, size_t size, uint64_t offset)
{
    size_t have = 0;

    while (have < size) {
        ssize_t got = pread(fd, (uint8_t *)to + have, size - have,
                            (off_t)(offset + have));

        if (got == 0 || (got < 0 && errno != EINTR)) {
            return false;
        }
        if (got > 0) {
            have += (size_t)got;
        }
    }
    return true;
}

int file_write_fully(int fd, const void *from, size_t size)
{
    const uint8_t *at = from;

    while (size) {
        ssize_t put = write(fd, at, size);

        if (put > 0) {
            at += put;
            size -= (size_t)put;
        } else if (put == 0 || errno != EINTR) {
            return put == 0 ? -ENOSPC : -errno;
        }
    }
    return 0;
}

void file_remove_part(const char *path)
{
    struct stat info;

    if (lstat(path, &info) == 0 && S_ISREG(info.st_mode)) {
        (void)unlink(path);
    }
}

static int write_to(const char *path, int flags, const void *bytes, size_t size,
                    Error **errp)
{
    int fd = file_open_to_write(path, flags, errp);
    int ret;

    if (fd < 0) {
        return fd;
    }
    ret = file_write_fully(fd, bytes, size);
    if (close(fd) && !ret) {
        ret = -errno;
    }
    if (ret) {
        file_remove_part(path);
    }
    return ret ? fail(errp, path, -ret) : 0;
}

int file_write(const char *path, const void *bytes, size_t size, Error **errp)
{
    return write_to(path, O_TRUNC, bytes, size, errp);
}

int file_write_anew(const char *path, const void *bytes, size_t size,
                    Error **errp)
{
    (void)unlink(path); /* if that fails, so does the rest */
    return write_to(path, O_EXCL, bytes, size, errp);
}

int file_make_dir(const char *path, Error **errp)
{
    char *copy = strdup(path);
    struct stat st;

    if (!copy) {
        return fail(errp, path, ENOMEM);
    }
    /* Parents first; those that exist already say so, and are fine. */
    for (char *slash = copy; (slash = strchr(slash + 1, '/'));) {
        *slash = '\0';
        mkdir(copy, 0777);
        *slash = '/';
    }
    free(copy);
    if (mkdir(path, 0777) && errno != EEXIST) {
        return fail(errp, path, errno);
    }
    if (stat(path, &st) || !S_ISDIR(st.st_mode)) {
        return fail(errp, path, ENOTDIR);
    }
    return access(path, W_OK | X_OK) ? fail(errp, path, errno) : 0;
}
