/* SPDX-License-Identifier: MIT */
/*
 * What other threads ask a TLB to drop: entries, or write tags alone.
 *
 * A committer must neither allocate nor wait for a vCPU, and a vCPU must see
 * at the price of one load that there is nothing to do. So there is room for
 * a few ranges under a lock that is held for a copy only, and a flag:
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
 * Who posts a protect asks later whether it was done:
 *
 *   any thread                            owner
 *   ----------                            -----
 *   lock; add the page; protects++        drain: copy what there is
 *     posted = true; unlock                 drop the write tags
 *   ...                                     protected = that of the copy
 *   protected == protects, or               leave: online = false
 *     !online: it is done                   enter: online = true; drain
 *
 * `protected` and `online` are stored with release and loaded with acquire:
 * who sees that it is done also sees what the owner stored before. `online` is
 * set, and `posted` is set, before the other one is read, all four of them
 * sequentially consistent: if the poster finds the owner away, the drain of
 * its next tlb_enter() finds the post.
 *
 * Dirty bits that were cleared are posted as "look again": which pages are
 * clean is in the bits. Whether the owner may have stored through a tag since
 * they were cleared is known when it is posted: not if it is away, or if it is
 * the thread that cleared them; then it looks at once.
 *
 * Lock order: the engine's writer lock (a commit in progress), that of the code
 * pages (a protect) or of the dirty logs (a recheck), then `lock`. kick() runs
 * outside `lock`, maybe under one of those.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include "engine/alloc.h"
#include "engine/dirty_log.h"
#include "engine/lock.h"
#include "tlb/tlb_internal.h"

/* Ranges between two safe points; a commit rarely changes more than two. */
#define INBOX_RANGES 16

/* Pages of new code; a translator that starts makes a few a millisecond. */
#define INBOX_PAGES 16

struct mail_head {
    unsigned contexts; /* to be cleared whole */
    unsigned count;    /* of ranges */
    unsigned page_count;
    bool recheck; /* write tags of pages that are clean */
    bool recheck_marks;
    bool protect_all;
};

struct mail {
    struct mail_head head;
    struct xbar_range ranges[INBOX_RANGES];
    uint64_t pages[INBOX_PAGES]; /* host addresses: write tags go */
};

struct xbar_tlb_inbox {
    struct xbar_view_subscriber subscriber;
    struct xbar_dirty_party dirty_party;
    SoftTLB *tlb;                  /* for its owner, and iommu.c */
    struct xbar_tlb_config config; /* as in the TLB, constant */
    _Atomic bool posted;           /* is there mail? */
    struct engine_lock lock;       /* held for a copy only */
    struct mail mail;              /* under lock */
    _Atomic bool online;           /* the owner is inside */
    _Atomic pthread_t owner;       /* who that is; exact for that thread */
    _Atomic uint64_t protects;     /* posted ever; written under lock */
    _Atomic uint64_t protected;    /* of those, applied; the owner's */
};

/* ---- Posting: any thread ----------------------------------------------- */

/* Devices toggle the same window again and again: keep such ranges once. */
static bool has_range(const struct mail *mail, const struct xbar_range *range)
{
    for (unsigned i = 0; i < mail->head.count; i++) {
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
    if (mail->head.count == INBOX_RANGES) {
        mail->head.contexts = TLB_ALL_CONTEXTS;
        return;
    }
    mail->ranges[mail->head.count++] = *range;
}

static void add_page(struct mail *mail, uint64_t host)
{
    if (mail->head.page_count == INBOX_PAGES) {
        mail->head.protect_all = true;
        return;
    }
    mail->pages[mail->head.page_count++] = host;
}

/* The mail is complete: unlock, and have the owner come for it. */
static void finish_post(struct xbar_tlb_inbox *inbox)
{
    atomic_store_explicit(&inbox->posted, true, memory_order_release);
    lock__release(&inbox->lock);

    if (inbox->config.kick) {
        inbox->config.kick(inbox->config.kick_opaque);
    }
}

static void post(struct xbar_tlb_inbox *inbox, unsigned contexts,
                 const struct xbar_range *ranges, size_t count)
{
    lock__take_once(&inbox->lock);
    inbox->mail.head.contexts |= contexts;
    for (size_t i = 0; i < count; i++) {
        add_range(&inbox->mail, &ranges[i]);
    }
    finish_post(inbox);
}

static void post_changed(struct xbar_view_subscriber *sub,
                         const struct xbar_range *ranges, size_t count)
{
    struct xbar_tlb_inbox *inbox =
        xbar_container_of(sub, struct xbar_tlb_inbox, subscriber);

    post(inbox, 0, ranges, count);
    tlb__iommu_changed(inbox->tlb, ranges, count);
}

void tlb__inbox_post(SoftTLB *tlb, const struct xbar_range *range)
{
    post(tlb->inbox, 0, range, 1);
}

void tlb_post_flush(SoftTLB *tlb, unsigned contexts)
{
    post(tlb->inbox, contexts & TLB_ALL_CONTEXTS, NULL, 0);
}

void tlb_post_protect(SoftTLB *tlb, uint64_t host)
{
    struct xbar_tlb_inbox *inbox = tlb->inbox;

    lock__take_once(&inbox->lock);
    add_page(&inbox->mail, host);
    atomic_fetch_add_explicit(&inbox->protects, 1, memory_order_relaxed);
    atomic_store(&inbox->posted, true); /* the caller looks at `online` next */
    finish_post(inbox);
}

/* The registry's lock is held, and dirty bits were cleared before. */
static void post_recheck(struct xbar_dirty_party *party)
{
    struct xbar_tlb_inbox *inbox =
        xbar_container_of(party, struct xbar_tlb_inbox, dirty_party);

    if (atomic_load(&inbox->online) &&
        pthread_equal(atomic_load(&inbox->owner), pthread_self())) {
        tlb__recheck_dirty(inbox->tlb, false);
        return;
    }
    lock__take_once(&inbox->lock);
    inbox->mail.head.recheck = true;
    /* As for protects: if the owner is away now, it finds this first. */
    atomic_store(&inbox->posted, true);
    inbox->mail.head.recheck_marks |= atomic_load(&inbox->online);
    finish_post(inbox);
}

/* A caller's own posts are in `protects`, whoever else posts meanwhile. */
bool tlb_is_protected(const SoftTLB *tlb)
{
    const struct xbar_tlb_inbox *inbox = tlb->inbox;
    uint64_t protects =
        atomic_load_explicit(&inbox->protects, memory_order_relaxed);

    return atomic_load_explicit(&inbox->protected, memory_order_acquire) >=
               protects ||
           !atomic_load(&inbox->online);
}

/* ---- Draining: the owner ----------------------------------------------- */

/* Return: the protects that are in @mail or were in earlier ones. */
static uint64_t take_mail(struct xbar_tlb_inbox *inbox, struct mail *mail)
{
    uint64_t protects;

    lock__take_once(&inbox->lock);
    mail->head = inbox->mail.head;
    for (unsigned i = 0; i < mail->head.count; i++) {
        mail->ranges[i] = inbox->mail.ranges[i];
    }
    for (unsigned i = 0; i < mail->head.page_count; i++) {
        mail->pages[i] = inbox->mail.pages[i];
    }
    inbox->mail.head = (struct mail_head){ 0 };
    protects = atomic_load_explicit(&inbox->protects, memory_order_relaxed);
    atomic_store_explicit(&inbox->posted, false, memory_order_relaxed);
    lock__release(&inbox->lock);
    return protects;
}

static void apply_protects(SoftTLB *tlb, const struct mail *mail)
{
    if (mail->head.protect_all) {
        tlb__protect_all(tlb);
        return;
    }
    for (unsigned i = 0; i < mail->head.page_count; i++) {
        tlb_protect_code(tlb, mail->pages[i]);
    }
}

static XBAR_COLD void apply_mail(SoftTLB *tlb)
{
    struct mail mail;
    uint64_t protects = take_mail(tlb->inbox, &mail);

    if (mail.head.contexts) {
        tlb_flush(tlb, mail.head.contexts);
    }
    if (mail.head.count) {
        tlb__drop_ranges(tlb, mail.ranges, mail.head.count);
    }
    if (mail.head.recheck) {
        tlb__recheck_dirty(tlb, mail.head.recheck_marks);
    }
    apply_protects(tlb, &mail);
    atomic_store_explicit(&tlb->inbox->protected, protects,
                          memory_order_release);
}

void tlb__inbox_drain(SoftTLB *tlb)
{
    if (unlikely(atomic_load(&tlb->inbox->posted))) {
        apply_mail(tlb);
    }
}

void tlb__inbox_hear_all(const SoftTLB *tlb)
{
    bool *hears_all = &tlb->inbox->subscriber.hears_all;

    __atomic_store_n(hears_all, true, __ATOMIC_RELAXED);
}

void tlb__inbox_online(SoftTLB *tlb, bool online)
{
    if (online) {
        atomic_store(&tlb->inbox->owner, pthread_self());
    }
    atomic_store(&tlb->inbox->online, online);
}

/* ---- Life cycle -------------------------------------------------------- */

int tlb__inbox_open(SoftTLB *tlb)
{
    struct xbar_engine *engine = tlb__engine(tlb);
    struct xbar_tlb_inbox *inbox = xbar_alloc(engine, sizeof(*inbox));

    if (!inbox) {
        return -ENOMEM;
    }
    inbox->subscriber.changed = post_changed;
    inbox->subscriber.caches_sections = true;
    inbox->dirty_party.recheck = post_recheck;
    inbox->tlb = tlb;
    inbox->config = tlb->config;
    tlb->inbox = inbox;
    xbar_view_subscribe(tlb->config.as, &inbox->subscriber);
    xbar_dirty_join(engine, &inbox->dirty_party);
    return 0;
}

void tlb__inbox_close(SoftTLB *tlb)
{
    struct xbar_engine *engine = tlb__engine(tlb);

    xbar_dirty_leave(engine, &tlb->inbox->dirty_party);
    xbar_view_unsubscribe(tlb->config.as, &tlb->inbox->subscriber);
    xbar_free(engine, tlb->inbox, sizeof(*tlb->inbox));
    tlb->inbox = NULL;
}
