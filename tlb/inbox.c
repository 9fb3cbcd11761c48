/* SPDX-License-Identifier: MIT */
/*
 * What other threads ask a TLB to drop.
 *
 * A committer must neither allocate nor wait for a vCPU, and a vCPU must see
 * at the price of one load that there is nothing to do. So there is room for
 * a few ranges under a mutex that is held for a copy only, and a flag:
 *
 *   any thread: post                      owner: drain, at a safe point
 *   ----------------                      -----------------------------
 *   lock; add ranges or contexts;         if (!posted) return;
 *     posted = true; unlock               lock; copy and empty;
 *   kick(): reach a safe point soon         posted = false; unlock
 *                                         drop what the copy names
 *
 * `posted` is stored with release and loaded with acquire, but what orders a
 * post before a drain is whatever told the owner that the commit returned.
 * Ranges beyond the room become "everything": dropping too much is correct.
 *
 * Lock order: the engine's writer lock (a commit in progress), then `lock`.
 * kick() runs under neither `lock` nor, for tlb_post_flush(), anything else.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include "engine/alloc.h"
#include "tlb/tlb_internal.h"

/* Ranges between two safe points; a commit rarely changes more than two. */
#define INBOX_RANGES 16

struct mail {
    unsigned contexts; /* to be cleared whole */
    unsigned count;
    struct xbar_range ranges[INBOX_RANGES];
};

struct xbar_tlb_inbox {
    struct xbar_view_subscriber subscriber;
    struct xbar_tlb_config config; /* as in the TLB, constant */
    _Atomic bool posted;           /* is there mail? */
    pthread_mutex_t lock;
    struct mail mail; /* under lock */
};

/* ---- Posting: any thread ----------------------------------------------- */

/* Devices toggle the same window again and again: keep such ranges once. */
static bool has_range(const struct mail *mail, const struct xbar_range *range)
{
    for (unsigned i = 0; i < mail->count; i++) {
        if (mail->ranges[i].first <= range->first &&
            mail->ranges[i].last >= range->last) {
            return true;
        }
    }
    return false;
}

static void add_range(struct mail *mail, const struct xbar_range *range)
{
    if (has_range(mail, range)) {
        return;
    }
    if (mail->count == INBOX_RANGES) {
        mail->contexts = TLB_ALL_CONTEXTS;
        return;
    }
    mail->ranges[mail->count++] = *range;
}

static void post(struct xbar_tlb_inbox *inbox, unsigned contexts,
                 const struct xbar_range *ranges, size_t count)
{
    pthread_mutex_lock(&inbox->lock);
    inbox->mail.contexts |= contexts;
    for (size_t i = 0; i < count; i++) {
        add_range(&inbox->mail, &ranges[i]);
    }
    atomic_store_explicit(&inbox->posted, true, memory_order_release);
    pthread_mutex_unlock(&inbox->lock);

    if (inbox->config.kick) {
        inbox->config.kick(inbox->config.kick_opaque);
    }
}

static void post_changed(struct xbar_view_subscriber *sub,
                         const struct xbar_range *ranges, size_t count)
{
    post(xbar_container_of(sub, struct xbar_tlb_inbox, subscriber), 0, ranges,
         count);
}

void tlb_post_flush(SoftTLB *tlb, unsigned contexts)
{
    post(tlb->inbox, contexts & TLB_ALL_CONTEXTS, NULL, 0);
}

/* ---- Draining: the owner ----------------------------------------------- */

static void take_mail(struct xbar_tlb_inbox *inbox, struct mail *mail)
{
    pthread_mutex_lock(&inbox->lock);
    *mail = inbox->mail;
    inbox->mail.contexts = 0;
    inbox->mail.count = 0;
    atomic_store_explicit(&inbox->posted, false, memory_order_relaxed);
    pthread_mutex_unlock(&inbox->lock);
}

static XBAR_COLD void apply_mail(SoftTLB *tlb)
{
    struct mail mail;

    take_mail(tlb->inbox, &mail);
    tlb_flush(tlb, mail.contexts);
    tlb__drop_ranges(tlb, mail.ranges, mail.count);
}

void tlb__inbox_drain(SoftTLB *tlb)
{
    if (unlikely(
            atomic_load_explicit(&tlb->inbox->posted, memory_order_acquire))) {
        apply_mail(tlb);
    }
}

/* ---- Life cycle -------------------------------------------------------- */

int tlb__inbox_open(SoftTLB *tlb)
{
    struct xbar_engine *engine = xbar_address_space_engine(tlb->config.as);
    struct xbar_tlb_inbox *inbox = xbar_alloc(engine, sizeof(*inbox));

    if (!inbox) {
        return -ENOMEM;
    }
    inbox->subscriber.changed = post_changed;
    inbox->config = tlb->config;
    pthread_mutex_init(&inbox->lock, NULL);
    tlb->inbox = inbox;
    xbar_view_subscribe(tlb->config.as, &inbox->subscriber);
    return 0;
}

void tlb__inbox_close(SoftTLB *tlb)
{
    struct xbar_engine *engine = xbar_address_space_engine(tlb->config.as);

    xbar_view_unsubscribe(tlb->config.as, &tlb->inbox->subscriber);
    pthread_mutex_destroy(&tlb->inbox->lock);
    xbar_free(engine, tlb->inbox, sizeof(*tlb->inbox));
    tlb->inbox = NULL;
}
