/* SPDX-License-Identifier: MIT */
/* Files in and out of memory: whole ones, with errors that name them, and
 * stretches of those that are open. */
#ifndef XBAR_FILE_H
#define XBAR_FILE_H

#include <sys/types.h>
#include <xbar/xbar.h>

/*
 * file_open_to_read(), file_open_to_write() - @path's descriptor, to be closed
 * @flags: of open(), beside those to make it
 *
 * A FIFO without another end, for which open() waits, is refused after a
 * moment. Reading and writing wait as ever. Return: the descriptor; -errno with
 * @errp set.
 */
int file_open_to_read(const char *path, Error **errp) XBAR_MUST_CHECK;
int file_open_to_write(const char *path, int flags, Error **errp)
    XBAR_MUST_CHECK;

/*
 * file_read() - the bytes of @path
 * @limit: bytes that the file may hold at most (a device may have no end)
 * @bytes: gets them, to be freed by the caller
 *
 * Return: 0; -errno with @errp set. An empty file is -EINVAL.
 */
int file_read(const char *path, size_t limit, uint8_t **bytes, size_t *size,
              Error **errp) XBAR_MUST_CHECK;

/*
 * file_open() - @path, if it is a regular file with content, to be read later
 * @limit: bytes that it may hold at most
 * @fd: gets it, to be closed by the caller; -1 if it is of another kind, and
 *      can be read once only
 * @size: gets its size now
 *
 * Return: 0; -errno with @errp set.
 */
int file_open(const char *path, size_t limit, int *fd, size_t *size,
              Error **errp) XBAR_MUST_CHECK;

/* file_read_at() - @size bytes at @offset; true if all of them are there */
bool file_read_at(int fd, void *to, size_t size, uint64_t offset)
    XBAR_MUST_CHECK;

/* file_read_fully() - the next @want bytes of @fd, a file or a pipe. Return: how
 * many there were, less only at the end; -errno. */
ssize_t file_read_fully(int fd, void *to, size_t want) XBAR_MUST_CHECK;

/* file_write_fully() - all of @from, unless it is -errno */
int file_write_fully(int fd, const void *from, size_t size) XBAR_MUST_CHECK;

/* file_remove_part() - @path could not be written whole: half of it is read by
 * nobody, and takes room from what follows. What is not regular stays, as does a
 * link. */
void file_remove_part(const char *path);

/* file_write() - make or replace @path; what cannot be written whole is
 * removed, if it is a regular file and could be opened */
int file_write(const char *path, const void *bytes, size_t size, Error **errp)
    XBAR_MUST_CHECK;

/* file_write_anew() - the same in a folder that others write to: what is there
 * goes first, and no link leads elsewhere */
int file_write_anew(const char *path, const void *bytes, size_t size,
                    Error **errp) XBAR_MUST_CHECK;

/* file_make_dir() - make folder @path, with its parents, unless it is there and
 * may be written to */
int file_make_dir(const char *path, Error **errp) XBAR_MUST_CHECK;

#endif
