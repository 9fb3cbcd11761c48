/* SPDX-License-Identifier: MIT */
/*
 * Where the blocks of a trace go: packed and written by a thread of its own, so
 * that the hart does not wait for a disk unless it is ahead by all there are.
 *
 *     filled by the recorder --submit--> queue --> packed, written --> free
 *          ^                                                             |
 *          +-------------------------------------------------------------+
 *
 * What cannot be written is told on stderr once, when it happens; the file ends
 * with the last block that it has whole, and the run goes on.
 */
#ifndef XBAR_TRACE_SINK_H
#define XBAR_TRACE_SINK_H

#include <xbar/xbar.h>

struct trace_sink;

/*
 * trace_sink_open() - make or replace @path, and start the thread
 * @idle: called by the thread when nothing came for a second. If nobody else
 *        can submit meanwhile, and trace_sink_is_idle(), it may; it must not
 *        wait for who does
 *
 * Return: NULL with @errp set.
 */
struct trace_sink *trace_sink_open(const char *path, void (*idle)(void *opaque),
                                   void *opaque, Error **errp) XBAR_MUST_CHECK;

/* trace_sink_first() - the block to fill first */
uint8_t *trace_sink_first(struct trace_sink *sink);

/* trace_sink_submit() - @size bytes of the block being filled are for the file;
 * one thread at a time. Return: the next one, TRACE_BLOCK_SIZE. */
uint8_t *trace_sink_submit(struct trace_sink *sink, size_t size);

/* trace_sink_is_idle() - is all written that was submitted? */
bool trace_sink_is_idle(struct trace_sink *sink);

/*
 * trace_sink_close() - write what was submitted, and end the thread
 * @written: bytes of the file
 *
 * Return: 0; -errno if not all of it could be written, which was told.
 */
int trace_sink_close(struct trace_sink *sink, uint64_t *written);

#endif
