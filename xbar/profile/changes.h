/* SPDX-License-Identifier: MIT */
/*
 * What commits changed in the hart's address space while it ran.
 *
 * A listener, told on the thread that commits; the rest is for when it is gone.
 */
#ifndef XBAR_PROFILE_CHANGES_H
#define XBAR_PROFILE_CHANGES_H

#include <xbar/xbar.h>

#define CHANGES_MAX  256
#define CHANGES_NAME 32

/* Addresses that went to a region, or that it lost. What a region is moved by
 * is both. */
struct change {
    uint64_t ns;     /* since changes_start() */
    uint64_t commit; /* one number for all of one commit, from 1 on */
    bool is_added;
    bool is_ram;
    hwaddr first;
    hwaddr last;
    char name[CHANGES_NAME];
};

struct changes {
    MemoryListener listener;
    uint64_t start_ns;
    bool is_heard;    /* between showing the view as it is, and the end */
    uint64_t commits; /* that changed something here */
    uint64_t total;   /* beyond CHANGES_MAX they only count */
    unsigned count;
    struct change items[CHANGES_MAX];
};

/*
 * changes_start() - note what changes in @as from now on
 *
 * Return: 0; -errno with @errp set.
 */
int changes_start(struct changes *changes, AddressSpace *as, Error **errp)
    XBAR_MUST_CHECK;

/* changes_stop() - no more; before @as goes. If it was not started, fine */
void changes_stop(struct changes *changes);

#endif
