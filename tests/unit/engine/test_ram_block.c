/* SPDX-License-Identifier: MIT */
/* Memory blocks: how they are found, and who is told of them. */
#include "engine/ram_block.h"

#include <stdio.h>

#include "tests/unit/engine/fixture.h"

#define PAGE ((uint64_t)4096)

static void make(MemoryRegion *mr, const char *name, uint64_t size)
{
    assert_int_equal(memory_region_init_ram(mr, NULL, name, size, NULL), 0);
}

/* ---- Looking ----------------------------------------------------------- */

static void test_info(void **state)
{
    static uint8_t bytes[3 * PAGE];
    struct xbar_ram_block_info info;
    MemoryRegion grows, mine, io, alias;

    (void)state;
    assert_int_equal(memory_region_init_resizeable_ram(
                         &grows, NULL, "grows", PAGE, 3 * PAGE, NULL, NULL),
                     0);
    assert_int_equal(
        memory_region_init_ram_ptr(&mine, NULL, "mine", sizeof(bytes), bytes),
        0);
    assert_int_equal(memory_region_init(&io, NULL, "box", PAGE), 0);
    assert_int_equal(
        memory_region_init_alias(&alias, NULL, "alias", &mine, 0, PAGE), 0);
    xbar_ram_block_get_info(xbar_ram_block_of(&grows), &info);
    assert_ptr_equal(info.mr, &grows);
    assert_string_equal(info.name, "grows");
    assert_ptr_equal(info.host, memory_region_get_ram_ptr(&grows));
    assert_int_equal(info.size, PAGE);
    assert_int_equal(info.max_size, 3 * PAGE);
    assert_int_equal(info.addr, memory_region_get_ram_addr(&grows));
    assert_int_equal(info.page_size, PAGE);
    assert_int_equal(info.fd, -1);
    assert_int_equal(info.flags, RAM_NORESERVE);
    assert_false(info.is_callers);
    info = xbar_ram_block_info_of(xbar_ram_block_of(&mine));
    assert_ptr_equal(info.host, bytes);
    assert_true(info.is_callers);
    assert_null(xbar_ram_block_of(&io));
    assert_null(xbar_ram_block_of(&alias));
    assert_null(xbar_ram_block_of(NULL));
    end_region(&alias);
    end_region(&io);
    end_region(&mine);
    end_region(&grows);
    assert_null(xbar_ram_block_of(&grows)); /* as if it had never been */
}

static void test_by_name(void **state)
{
    MemoryRegion a, b, b2;

    (void)state;
    make(&a, "a", PAGE);
    make(&b, "b", PAGE);
    make(&b2, "b", PAGE);
    assert_ptr_equal(xbar_ram_block_by_name("a"), xbar_ram_block_of(&a));
    assert_ptr_equal(qemu_ram_block_by_name("b"), xbar_ram_block_of(&b2));
    assert_null(xbar_ram_block_by_name("c"));
    assert_null(xbar_ram_block_by_name(NULL));
    end_region(&b2);
    assert_ptr_equal(xbar_ram_block_by_name("b"), xbar_ram_block_of(&b));
    end_region(&b);
    end_region(&a);
    assert_null(xbar_ram_block_by_name("a"));
}

static void test_by_address(void **state)
{
    MemoryRegion a, b;
    ram_addr_t offset = 77;
    uint8_t *host;

    (void)state;
    make(&a, "a", 2 * PAGE);
    make(&b, "b", PAGE);
    host = qemu_ram_get_host_addr(xbar_ram_block_of(&a));
    assert_ptr_equal(xbar_ram_block_from_host(host + PAGE + 5, &offset),
                     xbar_ram_block_of(&a));
    assert_int_equal(offset, PAGE + 5);
    assert_ptr_equal(qemu_ram_block_from_host(host + PAGE + 5, true, &offset),
                     xbar_ram_block_of(&a));
    assert_int_equal(offset, PAGE);
    assert_ptr_equal(xbar_ram_block_from_host(host, NULL),
                     xbar_ram_block_of(&a));
    assert_int_equal(qemu_ram_addr_from_host(host + 9),
                     memory_region_get_ram_addr(&a) + 9);
    offset = 77;
    assert_null(xbar_ram_block_from_host(&a, &offset));
    assert_null(xbar_ram_block_from_host(NULL, &offset));
    assert_int_equal(offset, 77);
    assert_int_equal(qemu_ram_addr_from_host(&a), RAM_ADDR_INVALID);
    end_region(&b);
    end_region(&a);
}

static void test_qemu_names(void **state)
{
    MemoryRegion mr;
    RAMBlock *block;

    (void)state;
    assert_int_equal(memory_region_init_ram_flags_nomigrate(
                         &mr, NULL, "shared", PAGE + 1, RAM_SHARED, NULL),
                     0);
    block = xbar_ram_block_of(&mr);
    assert_string_equal(qemu_ram_get_idstr(block), "shared");
    assert_int_equal(qemu_ram_get_offset(block),
                     memory_region_get_ram_addr(&mr));
    assert_int_equal(qemu_ram_get_used_length(block), PAGE + 1);
    assert_int_equal(qemu_ram_get_max_length(block), PAGE + 1);
    assert_int_equal(qemu_ram_pagesize(block), PAGE);
    assert_true(qemu_ram_is_shared(block));
    end_region(&mr);
}

struct walk {
    unsigned calls;
    unsigned stop_at;
    char names[16];
    MemoryRegion *makes;
};

static int visit(RAMBlock *block, void *opaque)
{
    struct walk *walk = opaque;

    if (walk->makes) {
        make(walk->makes, "x", PAGE);
        walk->makes = NULL;
    }
    walk->names[walk->calls] = *qemu_ram_get_idstr(block);
    return ++walk->calls == walk->stop_at ? 42 : 0;
}

static void test_foreach(void **state)
{
    MemoryRegion a, b, c;
    struct walk all = { 0 };
    struct walk some = { .stop_at = 1 };

    (void)state;
    assert_int_equal(xbar_ram_block_foreach(visit, &all), 0);
    assert_int_equal(all.calls, 0);
    make(&a, "a", PAGE);
    make(&b, "b", PAGE);
    all.makes = &c;
    assert_int_equal(qemu_ram_foreach_block(visit, &all), 0);
    assert_string_equal(all.names, "ba"); /* not what it made meanwhile */
    assert_int_equal(xbar_ram_block_foreach(visit, &some), 42);
    assert_string_equal(some.names, "x");
    end_region(&c);
    end_region(&b);
    end_region(&a);
}

/* ---- Hearing ----------------------------------------------------------- */

/* A notifier that writes down what it is told, a word each. */
struct ear {
    RAMBlockNotifier n;
    char log[256];
    void (*then)(struct ear *ear); /* once, in the next callback */
    struct ear *other;
    MemoryRegion *mr;
};

static void hear(RAMBlockNotifier *n, char what, size_t size, size_t other)
{
    struct ear *ear = (struct ear *)n;
    void (*then)(struct ear *) = ear->then;
    size_t used = strlen(ear->log);

    snprintf(ear->log + used, sizeof(ear->log) - used, "%c%zu,%zu ", what,
             size / PAGE, other / PAGE);
    ear->then = NULL;
    if (then) {
        then(ear);
    }
}

static void hear_added(RAMBlockNotifier *n, void *host, size_t size,
                       size_t max_size)
{
    assert_non_null(host);
    hear(n, '+', size, max_size);
}

static void hear_removed(RAMBlockNotifier *n, void *host, size_t size,
                         size_t max_size)
{
    *(volatile uint8_t *)host = 1; /* it is still there */
    hear(n, '-', size, max_size);
}

static void hear_resized(RAMBlockNotifier *n, void *host, size_t old_size,
                         size_t new_size)
{
    assert_non_null(host);
    hear(n, '=', old_size, new_size);
}

static struct ear ear_of(void)
{
    return (struct ear){ .n = { .ram_block_added = hear_added,
                                .ram_block_removed = hear_removed,
                                .ram_block_resized = hear_resized } };
}

static void expect(struct ear *ear, const char *log)
{
    assert_string_equal(ear->log, log);
    ear->log[0] = '\0';
}

static void test_told(void **state)
{
    struct ear ear = ear_of();
    struct ear deaf = { .log = "" };
    MemoryRegion a, b, none;

    (void)state;
    make(&a, "a", PAGE);
    assert_int_equal(ram_block_notifier_add(&ear.n), 0);
    assert_int_equal(ram_block_notifier_add(&deaf.n), 0);
    expect(&ear, "+1,1 ");
    assert_int_equal(ram_block_notifier_add(&ear.n), -EINVAL);
    make(&none, "none", 0);
    expect(&ear, "");
    assert_int_equal(memory_region_init_resizeable_ram(&b, NULL, "b", PAGE,
                                                       4 * PAGE, NULL, NULL),
                     0);
    expect(&ear, "+1,4 ");
    assert_int_equal(memory_region_ram_resize(&b, 3 * PAGE, NULL), 0);
    expect(&ear, "=1,3 ");
    assert_int_equal(memory_region_ram_resize(&b, 3 * PAGE, NULL), 0);
    expect(&ear, ""); /* nothing changes */
    assert_int_equal(memory_region_ram_resize(&b, 5 * PAGE, NULL), -EINVAL);
    expect(&ear, "");
    end_region(&none);
    end_region(&a);
    expect(&ear, "-1,1 ");
    assert_int_equal(ram_block_notifier_remove(&ear.n), 0);
    expect(&ear, "-3,4 ");
    assert_int_equal(ram_block_notifier_remove(&ear.n), -EINVAL);
    assert_int_equal(ram_block_notifier_remove(NULL), -EINVAL);
    assert_int_equal(ram_block_notifier_add(NULL), -EINVAL);
    end_region(&b);
    expect(&ear, "");
    assert_int_equal(ram_block_notifier_remove(&deaf.n), 0);
}

/* A resize that becomes void is told the other way round. */
static void test_void_resize(void **state)
{
    struct ear ear = ear_of();
    MemoryRegion mr;

    (void)state;
    assert_int_equal(memory_region_init_resizeable_ram(&mr, NULL, "mr", PAGE,
                                                       4 * PAGE, NULL, NULL),
                     0);
    assert_int_equal(ram_block_notifier_add(&ear.n), 0);
    memory_region_transaction_begin();
    assert_int_equal(memory_region_ram_resize(&mr, 2 * PAGE, NULL), 0);
    assert_int_equal(memory_region_ram_resize(&mr, 4 * PAGE, NULL), 0);
    assert_int_equal(xbar_transaction_abort(), 0);
    assert_int_equal(memory_region_transaction_commit(), -ECANCELED);
    expect(&ear, "+1,4 =1,2 =2,4 =4,2 =2,1 ");
    assert_int_equal(ram_block_notifier_remove(&ear.n), 0);
    end_region(&mr);
}

/* Whatever fails in making memory, nobody was told of it. */
static void test_no_memory(void **state)
{
    struct fixture *f = *state;
    struct ear ear = ear_of();
    MemoryRegion mr;
    size_t requests = f->requests;
    size_t needed;

    assert_int_equal(ram_block_notifier_add(&ear.n), 0);
    assert_int_equal(f->requests, requests); /* listening takes no memory */
    make(&mr, "mr", PAGE);
    needed = f->requests - requests;
    end_region(&mr);
    expect(&ear, "+1,1 -1,1 ");
    for (size_t n = 1; n <= needed; n++) {
        f->fail_at = f->requests + n;
        assert_int_equal(memory_region_init_ram(&mr, NULL, "mr", PAGE, NULL),
                         -ENOMEM);
        expect(&ear, "");
    }
    f->fail_at = 0;
    assert_int_equal(ram_block_notifier_remove(&ear.n), 0);
}

static void leave(struct ear *ear)
{
    assert_int_equal(ram_block_notifier_remove(&ear->n), 0);
}

static void other_leaves(struct ear *ear)
{
    leave(ear->other);
}

static void other_comes(struct ear *ear)
{
    assert_int_equal(ram_block_notifier_add(&ear->other->n), 0);
}

static void makes_more(struct ear *ear)
{
    make(ear->mr, "more", 2 * PAGE);
}

/* Coming and going in callbacks: each hears of a block once, or not at all. */
static void test_changes_in_callbacks(void **state)
{
    struct ear one = ear_of();
    struct ear two = ear_of();
    MemoryRegion a, b;

    (void)state;
    one.other = &two;
    two.other = &one;
    make(&a, "a", PAGE);
    make(&b, "b", PAGE);
    one.then = leave; /* in its replay */
    assert_int_equal(ram_block_notifier_add(&one.n), 0);
    expect(&one, "+1,1 -1,1 -1,1 ");
    end_region(&b);
    expect(&one, "");

    assert_int_equal(ram_block_notifier_add(&one.n), 0);
    assert_int_equal(ram_block_notifier_add(&two.n), 0); /* is told first */
    expect(&one, "+1,1 ");
    expect(&two, "+1,1 ");
    two.then = other_leaves;
    make(&b, "b", PAGE);
    expect(&two, "+1,1 ");
    expect(&one, "-1,1 -1,1 "); /* what it knew, and what it was about to */
    two.then = other_comes;
    end_region(&b);
    expect(&two, "-1,1 ");
    expect(&one, "+1,1 "); /* a alone */
    one.then = leave;
    make(&b, "b", PAGE); /* one first, then two */
    expect(&one, "+1,1 -1,1 -1,1 ");
    expect(&two, "+1,1 ");
    end_region(&b);
    expect(&two, "-1,1 ");

    two.then = makes_more;
    two.mr = &b;
    assert_int_equal(ram_block_notifier_add(&one.n), 0);
    expect(&one, "+1,1 ");
    end_region(&a);
    expect(&two, "-1,1 +2,2 ");
    expect(&one, "-1,1 +2,2 ");
    leave(&one);
    leave(&two);
    end_region(&b);
}

/* Each engine has its own list. */
static void test_engines(void **state)
{
    struct xbar_engine *other = xbar_engine_new(NULL);
    struct ear ear = ear_of();
    MemoryRegion mine, theirs;

    (void)state;
    assert_non_null(other);
    assert_int_equal(ram_block_notifier_add(&ear.n), 0);
    assert_int_equal(xbar_engine_enter(other), 0);
    make(&theirs, "theirs", PAGE);
    assert_int_equal(ram_block_notifier_add(&ear.n), -EINVAL);
    assert_null(xbar_ram_block_by_name("mine"));
    assert_non_null(xbar_ram_block_by_name("theirs"));
    expect(&ear, "");
    end_region(&theirs);
    assert_int_equal(xbar_engine_leave(other), 0);
    assert_int_equal(xbar_engine_free(other), 0);
    make(&mine, "mine", PAGE);
    expect(&ear, "+1,1 ");
    leave(&ear);
    end_region(&mine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        engine_test(test_info),
        engine_test(test_by_name),
        engine_test(test_by_address),
        engine_test(test_qemu_names),
        engine_test(test_foreach),
        engine_test(test_told),
        engine_test(test_void_resize),
        engine_test(test_no_memory),
        engine_test(test_changes_in_callbacks),
        engine_test(test_engines),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
