/* SPDX-License-Identifier: MIT */
/*
 * Who keeps code made of which memory, and who has to be told of a store.
 *
 * Memory is named by where it lies in the host, in frames of 4 KiB: two guest
 * addresses, or two address spaces, that show the same RAM are one frame. A
 * guest page at a host address that is not a multiple of 4 KiB lies in two
 * frames, and then both are meant.
 *
 * A party is a vCPU: it stores, through inline paths that others cannot see.
 * A keeper is a party that keeps code, too. What a frame is for one keeper:
 *
 *               watch                   a store is told
 *     nothing --------->  watched  ------------------------>  written
 *                            ^                                   |
 *                            +------------ collect, watch -------+
 *
 *     watched   a party that may store inline takes that back (protect), so
 *               that its next store is told: xbar_code_wrote()
 *     written   stores are inline again; the frame is on the keeper's list,
 *               or held
 *
 * Data beside code is written between any two comparisons, and to be told of it
 * each time costs more than to compare. So a frame that is written again before
 * the very next comparison is held: it is not watched, and collected each time,
 * once at first, then 3 times, 7, ... up to 63. When it was not written in time
 * it begins anew, so that comparisons for nothing are never more than the stores
 * that were not told.
 *
 * Parties take inline stores back on their own threads, soon but not at once.
 * Until every one has settled, or is away, a watched frame stays on its
 * keeper's list as well: some stores to it may not be told.
 *
 * What a keeper does to be sure of its code, on its own thread (fence.i):
 *
 *     xbar_code_collect()      what may have changed since the last time
 *     xbar_code_watch()        each such frame, before it is compared
 *     compare                  code with memory
 *
 * A store is then either seen by the comparison, or the frame is collected the
 * next time; docs/concurrency.md says why.
 *
 * Bounds: 64 keepers are told exactly; one beyond that, or one for whom memory
 * was short, is told "everything" each time. So is one that has more than
 * XBAR_CODE_FRAMES frames on its list.
 */
#ifndef XBAR_ENGINE_CODE_PAGES_H
#define XBAR_ENGINE_CODE_PAGES_H

#include <stdbool.h>
#include <stdint.h>

struct xbar_engine;

#define XBAR_CODE_FRAME_SIZE ((uint64_t)4096)
#define XBAR_CODE_FRAMES     64
#define XBAR_CODE_HABITS     16 /* frames whose habits a keeper knows */
#define XBAR_CODE_HOLD_MAX   63 /* comparisons that a frame is held for */

/* The frame of a host address. */
static inline uint64_t xbar_code_frame(uint64_t host)
{
    return host & ~(XBAR_CODE_FRAME_SIZE - 1);
}

/* Frames without an order or repetition; `all`: there were too many. */
struct xbar_code_frames {
    bool all;
    unsigned count;
    uint64_t held; /* a bit for each that is, and need not be watched */
    uint64_t frame[XBAR_CODE_FRAMES];
};

/* How often a frame is written: the last one of those that share a place. */
struct xbar_code_habit {
    uint64_t frame;
    uint64_t watched_at; /* by number of the comparison */
    uint8_t hold;        /* comparisons that it was held for last */
    uint8_t left;        /* of those; 0: it is not held */
};

struct xbar_code_party {
    /*
     * Take inline stores to @frame back, soon. Any thread, with the lock of
     * the registry held: must not block or call back. Not called for what the
     * party itself watches.
     */
    void (*protect)(struct xbar_code_party *party, uint64_t frame);
    /* Has all that protect() asked for been done, with acquire; or is the
     * party away, and does it before it stores again? */
    bool (*is_settled)(const struct xbar_code_party *party);

    /* private to code_pages.c; under the lock of the registry */
    struct xbar_code_party *next;
    uint64_t bit; /* of a keeper; 0: none was left, or no keeper */
    bool keeps;
    struct xbar_code_frames written;
    struct xbar_code_frames unsettled;
    bool has_news; /* atomic: somebody told, or may not have */

    /* the same, but on the keeper's own thread, without the lock */
    struct xbar_code_habit habits[XBAR_CODE_HABITS];
    uint32_t held; /* a bit for each of these that is */
    uint64_t comparisons;
};

/* Any thread, while @party does not run. Joined as no keeper. */
void xbar_code_join(struct xbar_engine *engine, struct xbar_code_party *party);
void xbar_code_leave(struct xbar_engine *engine, struct xbar_code_party *party);

/* @party starts to keep code, or has dropped all of its own. */
void xbar_code_keep(struct xbar_engine *engine, struct xbar_code_party *party,
                    bool on);

/*
 * Must a store to the page at @host be told? Any thread, no lock: a party asks
 * this before it stores inline.
 */
bool xbar_code_is_watched(const struct xbar_engine *engine, uint64_t host);

/*
 * The page at @host is being stored to: any thread. A party tells before it
 * stores and while it is not settled; anybody else tells afterwards.
 */
void xbar_code_wrote(struct xbar_engine *engine, uint64_t host);

/*
 * Keeper @party is about to look at the page at @host, for code that it will
 * keep or keeps.
 *
 * Return: the party must take its own inline stores to it back, now.
 */
bool xbar_code_watch(struct xbar_engine *engine, struct xbar_code_party *party,
                     uint64_t host);

/*
 * The frames whose code may be old, into @frames. Who watches them again before
 * comparing misses no store; what is held comes again the next time. False:
 * none; costs two loads.
 */
bool xbar_code_collect(struct xbar_engine *engine,
                       struct xbar_code_party *party,
                       struct xbar_code_frames *frames);

#endif
