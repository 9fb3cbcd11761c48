/* SPDX-License-Identifier: MIT */
/* Nesting, voiding, participants, threads, several engines. */
#include <pthread.h>

#include "engine/engine_internal.h"
#include "tests/unit/engine/fixture.h"

/* ---- A participant that writes down what it is told -------------------- */

struct witness {
    struct xbar_participant participant;
    char log[256];
    char name;
    int prepare_result;
    void (*on_notify)(struct witness *w);
    MemoryRegion *mr;
    unsigned rounds;
};

static void note(struct xbar_participant *p, char what)
{
    struct witness *w = (struct witness *)p;
    size_t len = strlen(w->log);

    if (len + 2 < sizeof(w->log)) {
        w->log[len] = what;
    }
}

static int prepare(struct xbar_participant *p)
{
    note(p, 'p');
    return ((struct witness *)p)->prepare_result;
}

static void cancel(struct xbar_participant *p)
{
    note(p, 'c');
}

static void publish(struct xbar_participant *p)
{
    note(p, 'P');
}

static void notify(struct xbar_participant *p)
{
    struct witness *w = (struct witness *)p;

    note(p, 'n');
    w->rounds++;
    if (w->on_notify) {
        w->on_notify(w);
    }
}

static void retire(struct xbar_participant *p)
{
    note(p, 'r');
}

static void open_witness(struct witness *w, struct xbar_engine *engine)
{
    memset(w, 0, sizeof(*w));
    w->participant = (struct xbar_participant){
        .prepare = prepare,
        .cancel = cancel,
        .publish = publish,
        .notify = notify,
        .retire = retire,
        .next = (struct xbar_participant *)w, /* garbage before it is added */
        .prev = (struct xbar_participant *)w,
    };
    xbar_tree_hold(engine);
    xbar_participant_add(engine, &w->participant);
    xbar_tree_release(engine);
}

static void close_witness(struct witness *w, struct xbar_engine *engine)
{
    xbar_tree_hold(engine);
    xbar_participant_remove(engine, &w->participant);
    xbar_tree_release(engine);
}

static void check_log(struct witness *w, const char *expected)
{
    assert_string_equal(w->log, expected);
    memset(w->log, 0, sizeof(w->log));
}

/* ---- Tests ------------------------------------------------------------- */

static void test_one_commit_for_many_changes(void **state)
{
    struct fixture *f = *state;
    struct xbar_engine_stats stats;
    struct witness w;
    MemoryRegion root, a;

    open_witness(&w, f->engine);
    assert_int_equal(memory_region_init(&root, NULL, "root", 64), 0);
    assert_int_equal(memory_region_init(&a, NULL, "a", 64), 0);
    check_log(&w, "");
    memory_region_transaction_begin();
    assert_int_equal(memory_region_add_subregion(&root, 0, &a), 0);
    memory_region_transaction_begin();
    assert_int_equal(memory_region_set_enabled(&a, false), 0);
    assert_int_equal(memory_region_transaction_commit(), 0);
    check_log(&w, "");
    assert_int_equal(memory_region_transaction_commit(), 0);
    check_log(&w, "pPnr");
    assert_int_equal(memory_region_set_enabled(&a, true), 0);
    check_log(&w, "pPnr");
    xbar_engine_get_stats(f->engine, &stats);
    assert_int_equal(stats.commits, 2);
    close_witness(&w, f->engine);
    end_region(&a);
    end_region(&root);
}

static void test_nothing_changed_nobody_told(void **state)
{
    struct fixture *f = *state;
    struct xbar_engine_stats stats;
    struct witness w;
    MemoryRegion a;

    open_witness(&w, f->engine);
    assert_int_equal(memory_region_init(&a, NULL, "a", 64), 0);
    assert_int_equal(memory_region_set_enabled(&a, true), 0);
    assert_int_equal(memory_region_set_size(&a, 64), 0);
    assert_int_equal(memory_region_set_address(&a, 0), 0);
    assert_int_equal(memory_region_set_readonly(&a, false), 0);
    assert_int_equal(memory_region_add_subregion(&a, 0, &a), -ELOOP);
    memory_region_transaction_begin();
    assert_int_equal(memory_region_transaction_commit(), 0);
    check_log(&w, "");
    xbar_engine_get_stats(f->engine, &stats);
    assert_int_equal(stats.commits + stats.commits_void, 0);
    close_witness(&w, f->engine);
    end_region(&a);
}

static void test_failed_prepare_voids(void **state)
{
    struct fixture *f = *state;
    struct xbar_engine_stats stats;
    struct witness first, second, third;
    MemoryRegion a;

    open_witness(&first, f->engine);
    open_witness(&second, f->engine);
    open_witness(&third, f->engine);
    assert_int_equal(memory_region_init(&a, NULL, "a", 64), 0);
    second.prepare_result = -ENOMEM;
    assert_int_equal(memory_region_set_size(&a, 32), -ENOMEM);
    assert_int_equal(memory_region_size(&a), 64);
    check_log(&first, "pc");
    check_log(&second, "p");
    check_log(&third, "");
    assert_int_equal(f->oom_told, 1);
    assert_int_equal(f->void_told, 1);
    assert_int_equal(f->void_error, -ENOMEM);
    second.prepare_result = -E2BIG;
    assert_int_equal(memory_region_set_size(&a, 32), -E2BIG);
    check_log(&first, "pc");
    check_log(&second, "p");
    assert_int_equal(f->oom_told, 1);
    assert_int_equal(f->void_told, 2);
    assert_int_equal(f->void_error, -E2BIG);
    xbar_engine_get_stats(f->engine, &stats);
    assert_int_equal(stats.commits_void, 2);
    second.prepare_result = 0;
    assert_int_equal(memory_region_set_size(&a, 32), 0);
    check_log(&third, "pPnr");
    close_witness(&second, f->engine);
    close_witness(&first, f->engine);
    close_witness(&third, f->engine);
    end_region(&a);
}

static void test_abort(void **state)
{
    struct fixture *f = *state;
    struct witness w;
    MemoryRegion a;

    assert_int_equal(xbar_transaction_abort(), -EINVAL);
    open_witness(&w, f->engine);
    assert_int_equal(memory_region_init(&a, NULL, "a", 64), 0);
    memory_region_transaction_begin();
    assert_int_equal(memory_region_set_size(&a, 32), 0);
    memory_region_transaction_begin();
    assert_int_equal(memory_region_set_address(&a, 32), 0);
    assert_int_equal(xbar_transaction_abort(), 0);
    assert_int_equal(memory_region_set_size(&a, 16), -ECANCELED);
    assert_int_equal(memory_region_transaction_commit(), -ECANCELED);
    assert_int_equal(memory_region_transaction_commit(), -ECANCELED);
    assert_int_equal(memory_region_size(&a), 64);
    assert_int_equal(a.addr, 0);
    check_log(&w, "");
    assert_int_equal(f->oom_told, 0);
    assert_int_equal(f->void_told, 1);
    assert_int_equal(f->void_error, -ECANCELED);
    assert_int_equal(memory_region_set_size(&a, 16), 0);
    check_log(&w, "pPnr");
    close_witness(&w, f->engine);
    end_region(&a);
}

static void stay(void *opaque, uintptr_t old)
{
    (void)old;
    xbar_mutation_stays(opaque);
}

/* By one round more, and by no other. */
static void test_what_stays_is_shown_once(void **state)
{
    struct fixture *f = *state;
    struct xbar_engine_stats stats;
    struct witness w;

    open_witness(&w, f->engine);
    memory_region_transaction_begin();
    assert_int_equal(xbar_mutation_begin(f->engine), 0);
    assert_int_equal(xbar_mutation_log(f->engine, stay, f->engine, 0), 0);
    assert_int_equal(xbar_transaction_abort(), 0);
    assert_int_equal(xbar_mutation_end(f->engine), -ECANCELED);
    assert_int_equal(memory_region_transaction_commit(), -ECANCELED);
    check_log(&w, "pPnr");
    xbar_engine_get_stats(f->engine, &stats);
    assert_int_equal(stats.commits, 1);
    assert_int_equal(stats.commits_void, 1);
    close_witness(&w, f->engine);
}

static unsigned told_later;

static void count_telling(struct xbar_engine *engine)
{
    (void)engine;
    told_later++;
}

/* Also by a transaction that changes nothing: nobody else hears of that. */
static void test_what_waits_is_told_once(void **state)
{
    struct fixture *f = *state;
    struct xbar_engine_stats stats;
    struct witness w;
    MemoryRegion a;

    open_witness(&w, f->engine);
    assert_int_equal(memory_region_init(&a, NULL, "a", 64), 0);
    told_later = 0;
    memory_region_transaction_begin();
    xbar_tell_later(f->engine, count_telling);
    assert_int_equal(memory_region_transaction_commit(), 0);
    assert_int_equal(told_later, 1);
    memory_region_transaction_begin();
    assert_int_equal(memory_region_set_size(&a, 32), 0);
    xbar_tell_later(f->engine, count_telling);
    assert_int_equal(xbar_transaction_abort(), 0);
    assert_int_equal(memory_region_transaction_commit(), -ECANCELED);
    assert_int_equal(told_later, 2);
    check_log(&w, "");
    xbar_engine_get_stats(f->engine, &stats);
    assert_int_equal(stats.commits, 0);
    assert_int_equal(stats.commits_void, 1);
    assert_int_equal(memory_region_set_size(&a, 32), 0);
    assert_int_equal(told_later, 2);
    check_log(&w, "pPnr");
    close_witness(&w, f->engine);
    end_region(&a);
}

static void *commit_elsewhere(void *opaque)
{
    *(int *)opaque = memory_region_transaction_commit();
    return NULL;
}

static void test_commit_without_begin(void **state)
{
    pthread_t thread;
    int result = 0;

    (void)state;
    assert_int_equal(memory_region_transaction_commit(), -EINVAL);
    memory_region_transaction_begin();
    pthread_create(&thread, NULL, commit_elsewhere, &result);
    pthread_join(thread, NULL);
    assert_int_equal(result, -EINVAL);
    assert_int_equal(memory_region_transaction_commit(), 0);
    assert_int_equal(memory_region_transaction_commit(), -EINVAL);
}

/* ---- Several engines --------------------------------------------------- */

static void test_two_engines_all_or_nothing(void **state)
{
    struct fixture *f = *state;
    struct fixture second;
    struct witness one, two;
    MemoryRegion a, b;

    assert_int_equal(memory_region_init(&a, NULL, "a", 64), 0);
    fixture_open(&second, (struct xbar_engine_config){ 0 });
    assert_int_equal(memory_region_init(&b, NULL, "b", 64), 0);
    open_witness(&one, f->engine);
    open_witness(&two, second.engine);

    for (int failing = 0; failing < 3; failing++) {
        one.prepare_result = failing == 1 ? -ENOMEM : 0;
        two.prepare_result = failing == 2 ? -ENOMEM : 0;
        memory_region_transaction_begin();
        assert_int_equal(memory_region_set_size(&a, 100 + failing), 0);
        assert_int_equal(memory_region_set_size(&b, 100 + failing), 0);
        assert_int_equal(memory_region_transaction_commit(),
                         failing ? -ENOMEM : 0);
        assert_int_equal(memory_region_size(&a), 100);
        assert_int_equal(memory_region_size(&b), 100);
    }
    /* the engine enlisted last is prepared first */
    check_log(&one, "pPnrp");
    check_log(&two, "pPnrpcp");
    close_witness(&one, f->engine);
    close_witness(&two, second.engine);
    end_region(&b);
    fixture_close(&second);
    end_region(&a);
}

struct other {
    struct xbar_engine *engine;
    bool done;
};

static void *commit_in_other_engine(void *opaque)
{
    struct other *other = opaque;
    MemoryRegion mr;

    xbar_engine_enter(other->engine);
    other->done = memory_region_init(&mr, NULL, "mr", 64) == 0 &&
                  memory_region_set_size(&mr, 32) == 0 &&
                  xbar_region_destroy(&mr, NULL, NULL) == 0;
    xbar_engine_leave(other->engine);
    return NULL;
}

static void test_open_transaction_does_not_delay_others(void **state)
{
    struct other other = { xbar_engine_new(NULL), false };
    pthread_t thread;
    MemoryRegion a;

    (void)state;
    assert_int_equal(memory_region_init(&a, NULL, "a", 64), 0);
    memory_region_transaction_begin();
    assert_int_equal(memory_region_set_size(&a, 32), 0);
    pthread_create(&thread, NULL, commit_in_other_engine, &other);
    pthread_join(thread, NULL);
    assert_true(other.done);
    assert_int_equal(memory_region_transaction_commit(), 0);
    end_region(&a);
    assert_int_equal(xbar_engine_free(other.engine), 0);
}

/* ---- Subscribers that edit --------------------------------------------- */

static void shrink_to_8(struct witness *w)
{
    uint64_t size = memory_region_size(w->mr);

    if (size > 8) {
        assert_int_equal(memory_region_set_size(w->mr, size / 2), 0);
    }
    assert_int_equal(memory_region_transaction_commit(), -EINVAL);
}

static void test_edits_of_a_subscriber_are_rounds(void **state)
{
    struct fixture *f = *state;
    struct witness w, late;
    MemoryRegion a;

    assert_int_equal(memory_region_init(&a, NULL, "a", 64), 0);
    open_witness(&w, f->engine);
    open_witness(&late, f->engine);
    w.mr = &a;
    w.on_notify = shrink_to_8;
    assert_int_equal(memory_region_set_size(&a, 32), 0);
    assert_int_equal(memory_region_size(&a), 8);
    check_log(&w, "pPnrpPnrpPnr");
    check_log(&late, "pPnrpPnrpPnr");
    close_witness(&w, f->engine);
    close_witness(&late, f->engine);
    end_region(&a);
}

/* A subscriber may end others: those before it, itself, and the next. */
static void remove_all_but_last(struct witness *w)
{
    struct witness *all = w - 1;

    for (unsigned i = 0; w->rounds == 1 && i < 3; i++) {
        close_witness(&all[i], w->mr->engine);
    }
}

static void test_participants_may_go_while_told(void **state)
{
    struct fixture *f = *state;
    struct witness w[4];
    MemoryRegion a;

    assert_int_equal(memory_region_init(&a, NULL, "a", 64), 0);
    for (unsigned i = 0; i < 4; i++) {
        open_witness(&w[i], f->engine);
    }
    w[1].mr = &a;
    w[1].on_notify = remove_all_but_last;
    assert_int_equal(memory_region_set_size(&a, 32), 0);
    check_log(&w[0], "pPn");
    check_log(&w[1], "pPn");
    check_log(&w[2], "pP");
    check_log(&w[3], "pPnr");
    assert_ptr_equal(f->engine->first_participant, &w[3].participant);
    close_witness(&w[3], f->engine);
    end_region(&a);
}

static void never_settle(struct witness *w)
{
    memory_region_set_address(w->mr, w->rounds);
}

static void test_edits_that_never_settle(void **state)
{
    struct fixture *f = *state;
    struct xbar_engine_stats stats;
    struct witness w;
    MemoryRegion a;

    assert_int_equal(memory_region_init(&a, NULL, "a", 64), 0);
    open_witness(&w, f->engine);
    w.mr = &a;
    w.on_notify = never_settle;
    assert_int_equal(memory_region_set_size(&a, 32), 0);
    assert_int_equal(w.rounds, 64);
    assert_int_equal(a.addr, 63); /* the last edit is void */
    assert_int_equal(f->void_told, 1);
    assert_int_equal(f->void_error, -ELOOP);
    assert_int_equal(memory_region_size(&a), 32);
    xbar_engine_get_stats(f->engine, &stats);
    assert_int_equal(stats.commits, 64);
    assert_int_equal(stats.commits_void, 1);
    close_witness(&w, f->engine);
    end_region(&a);
}

/* One engine's news may be another's edit, in either order of enlisting. */
static void edit_other(struct witness *w)
{
    if (memory_region_size(w->mr) != 7) {
        assert_int_equal(memory_region_set_size(w->mr, 7), 0);
    }
}

static void test_edits_across_engines(void **state)
{
    struct fixture *f = *state;
    struct fixture second;
    struct witness one, two;
    MemoryRegion a, b;

    assert_int_equal(memory_region_init(&a, NULL, "a", 64), 0);
    fixture_open(&second, (struct xbar_engine_config){ 0 });
    assert_int_equal(memory_region_init(&b, NULL, "b", 64), 0);
    open_witness(&one, f->engine);
    open_witness(&two, second.engine);
    one.mr = &b;
    one.on_notify = edit_other;
    assert_int_equal(memory_region_set_size(&a, 32), 0);
    check_log(&one, "pPnr");
    check_log(&two, "pPnr");
    assert_int_equal(memory_region_set_size(&b, 64), 0);
    check_log(&two, "pPnr");
    memory_region_transaction_begin();
    assert_int_equal(memory_region_set_size(&a, 16), 0);
    assert_int_equal(memory_region_set_size(&b, 16), 0);
    assert_int_equal(memory_region_transaction_commit(), 0);
    assert_int_equal(memory_region_size(&b), 7);
    check_log(&two, "pPnrpPnr");
    close_witness(&one, f->engine);
    close_witness(&two, second.engine);
    end_region(&b);
    fixture_close(&second);
    end_region(&a);
}

/* While views are being built the tree stands still. */
static int prepare_editing(struct xbar_participant *p)
{
    struct witness *w = (struct witness *)p;

    return memory_region_set_size(w->mr, 1) == -EBUSY ? 0 : -EFAULT;
}

static void test_prepare_cannot_edit(void **state)
{
    struct fixture *f = *state;
    struct witness w;
    MemoryRegion a;

    assert_int_equal(memory_region_init(&a, NULL, "a", 64), 0);
    open_witness(&w, f->engine);
    w.mr = &a;
    w.participant.prepare = prepare_editing;
    assert_int_equal(memory_region_set_size(&a, 32), 0);
    assert_int_equal(memory_region_size(&a), 32);
    close_witness(&w, f->engine);
    end_region(&a);
}

/* ---- Threads ----------------------------------------------------------- */

struct mover {
    struct xbar_engine *engine;
    MemoryRegion *root;
    uint64_t random;
    unsigned errors;
};

static void *move_regions(void *opaque)
{
    struct mover *m = opaque;
    MemoryRegion mr;

    xbar_engine_enter(m->engine);
    m->errors += memory_region_init(&mr, NULL, "mover", 64) != 0;
    for (unsigned i = 0; i < 2000; i++) {
        memory_region_transaction_begin();
        m->errors += memory_region_add_subregion(
                         m->root, next_random(&m->random) % 4096, &mr) != 0;
        m->errors +=
            memory_region_set_address(&mr, next_random(&m->random) % 4096) != 0;
        m->errors += memory_region_del_subregion(m->root, &mr) != 0;
        m->errors += memory_region_transaction_commit() != 0;
    }
    m->errors += xbar_region_destroy(&mr, NULL, NULL) != 0;
    xbar_engine_leave(m->engine);
    return NULL;
}

static void test_threads_exclude_one_another(void **state)
{
    struct fixture *f = *state;
    struct mover movers[2];
    pthread_t threads[2];
    MemoryRegion root;

    assert_int_equal(memory_region_init(&root, NULL, "root", 4096), 0);
    for (unsigned i = 0; i < 2; i++) {
        movers[i] = (struct mover){ f->engine, &root, i + 1, 0 };
        pthread_create(&threads[i], NULL, move_regions, &movers[i]);
    }
    for (unsigned i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(movers[i].errors, 0);
    }
    assert_null(root.children);
    end_region(&root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        engine_test(test_one_commit_for_many_changes),
        engine_test(test_nothing_changed_nobody_told),
        engine_test(test_failed_prepare_voids),
        engine_test(test_abort),
        engine_test(test_what_stays_is_shown_once),
        engine_test(test_what_waits_is_told_once),
        engine_test(test_commit_without_begin),
        engine_test(test_two_engines_all_or_nothing),
        engine_test(test_open_transaction_does_not_delay_others),
        engine_test(test_edits_of_a_subscriber_are_rounds),
        engine_test(test_participants_may_go_while_told),
        engine_test(test_edits_that_never_settle),
        engine_test(test_edits_across_engines),
        engine_test(test_prepare_cannot_edit),
        engine_test(test_threads_exclude_one_another),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
