/* SPDX-License-Identifier: MIT */
/*
 * Random devices, random accesses, every path, against bytes.
 *
 * A device is memory that its callbacks show with random limits (`valid`,
 * `impl`), byte order, kind of callback and lock, at a random place, in front
 * of RAM. An access is made by its region, by an address space (fixed width or
 * bulk), by a TLB, or as 1 to 16 bytes. Two things are known without knowing
 * how accesses are split:
 *
 *   - what is refused, which follows from `valid` alone;
 *   - which bytes a read gives and a write changes: those, and no others.
 *
 * And of the callbacks: sizes and alignment are those of `impl`; no write covers
 * a byte that was not asked for unless `impl` leaves no choice, and a read of
 * the same word came before it; none reaches past the region without need.
 * Those of one access, other than those of the parts of a transfer, come in
 * ascending order and read or write every byte asked for once; where the
 * device can do the access, or equal parts of it, they are exactly those.
 *
 * XBAR_SPLITTER_CASES sets how many; XBAR_MODEL_SEED where to start. A failure
 * names the device's seed.
 */
#include "tests/model/splitter.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define DEFAULT_CASES 1000000
#else
#define DEFAULT_CASES 10000000
#endif

#define CASES_PER_DEVICE 200

static unsigned pick(unsigned n)
{
    return (unsigned)(next_random(&bench.random) % n);
}

/* ---- The device's callbacks -------------------------------------------- */

static unsigned shift_of(const struct device *d, unsigned size, unsigned i)
{
    return 8 * (d->is_big ? size - 1 - i : i);
}

static void note(struct device *d, hwaddr addr, unsigned size, bool is_write)
{
    check(d->count < MAX_CALLS, "too many callbacks");
    d->calls[d->count++] = (struct call){ addr, size, is_write };
    check(size >= d->impl_min && size <= d->impl_max, "a size beyond impl");
    check((size & (size - 1)) == 0, "a size that is no power of two");
    check(d->ops.impl.unaligned || addr % size == 0, "misaligned callback");
    check(addr < d->size && addr + size <= d->size + SLACK,
          "out of the region");
}

static uint64_t read_bytes(void *opaque, hwaddr addr, unsigned size)
{
    struct device *d = opaque;
    uint64_t value = size < 8 ? UINT64_MAX << (8 * size) : 0; /* garbage */

    note(d, addr, size, false);
    for (unsigned i = 0; i < size; i++) {
        value |= (uint64_t)d->bytes[addr + i] << shift_of(d, size, i);
    }
    return value;
}

static void write_bytes(void *opaque, hwaddr addr, uint64_t data, unsigned size)
{
    struct device *d = opaque;

    note(d, addr, size, true);
    check(size == 8 || data >> (8 * size) == 0, "garbage above the value");
    for (unsigned i = 0; i < size; i++) {
        d->bytes[addr + i] = (uint8_t)(data >> shift_of(d, size, i));
    }
}

static MemTxResult read_bytes_attrs(void *opaque, hwaddr addr, uint64_t *data,
                                    unsigned size, MemTxAttrs attrs)
{
    const struct device *d = opaque;

    check(attrs.requester_id == 0x55 || d->by_tlb, "attributes");
    *data = read_bytes(opaque, addr, size);
    return MEMTX_OK;
}

static MemTxResult write_bytes_attrs(void *opaque, hwaddr addr, uint64_t data,
                                     unsigned size, MemTxAttrs attrs)
{
    const struct device *d = opaque;

    check(attrs.requester_id == 0x55 || d->by_tlb, "attributes");
    write_bytes(opaque, addr, data, size);
    return MEMTX_OK;
}

/* ---- Random devices ---------------------------------------------------- */

static unsigned pick_size(void)
{
    static const unsigned sizes[] = { 0, 1, 2, 4, 8 };

    return sizes[pick(5)];
}

static void pick_limits(unsigned *min, unsigned *max, unsigned default_max)
{
    do {
        *min = pick_size();
        *max = pick_size();
    } while (*max ? *min > *max : default_max && *min > default_max);
}

static void pick_ops(struct device *d)
{
    MemoryRegionOps *ops = &d->ops;

    memset(ops, 0, sizeof(*ops));
    if (pick(2)) {
        ops->read = read_bytes;
        ops->write = write_bytes;
    } else {
        ops->read_with_attrs = read_bytes_attrs;
        ops->write_with_attrs = write_bytes_attrs;
    }
    ops->endianness = (enum device_endian)pick(3);
    pick_limits(&ops->valid.min_access_size, &ops->valid.max_access_size, 0);
    pick_limits(&ops->impl.min_access_size, &ops->impl.max_access_size, 4);
    ops->valid.unaligned = pick(2);
    ops->impl.unaligned = ops->valid.unaligned && pick(2);
    d->impl_min = ops->impl.min_access_size ? ops->impl.min_access_size : 1;
    d->impl_max = ops->impl.max_access_size ? ops->impl.max_access_size : 4;
    d->is_big = ops->endianness == DEVICE_BIG_ENDIAN ||
                (ops->endianness == DEVICE_NATIVE_ENDIAN && d->guest_is_big);
}

static int walk(void *opaque, unsigned context, uint64_t va,
                enum xbar_tlb_access access, struct xbar_tlb_walk *out)
{
    (void)opaque;
    (void)context;
    (void)access;
    memset(out, 0, sizeof(*out));
    out->phys = va & ~(uint64_t)4095;
    out->prot = TLB_PROT_READ | TLB_PROT_WRITE;
    return 0;
}

static void open_device(void)
{
    struct bench *b = &bench;
    struct device *d = &b->d;
    const struct xbar_tlb_config config = { .as = &b->as, .walk = walk };

    d->guest_is_big = pick(2);
    fixture_open(&b->fixture, (struct xbar_engine_config){
                                  .guest_is_big_endian = d->guest_is_big });
    pick_ops(d);
    d->place = 16 + pick(32);
    d->size = 1 + pick(DEVICE_MAX);
    memory_region_init(&b->root, NULL, "root", UINT64_MAX);
    memory_region_init_ram_ptr(&b->ram, NULL, "ram", SPACE_BYTES, b->ram_bytes);
    check(memory_region_init_io(&b->mr, NULL, &d->ops, d, "device", d->size) ==
              0,
          "init");
    (void)xbar_region_set_lock_policy(&b->mr, (enum xbar_lock_policy)pick(3));
    memory_region_add_subregion(&b->root, BASE, &b->ram);
    memory_region_add_subregion_overlap(&b->root, BASE + d->place, &b->mr, 1);
    check(address_space_init(&b->as, &b->root, "as") == 0, "address space");
    check(tlb_init(b->tlb, &config) == 0, "tlb");
    tlb_enter(b->tlb);
}

static void close_device(void)
{
    struct bench *b = &bench;

    tlb_leave(b->tlb);
    tlb_destroy(b->tlb);
    address_space_destroy(&b->as);
    end_region(&b->mr);
    end_region(&b->ram);
    end_region(&b->root);
    fixture_close(&b->fixture);
}

/* ---- The model: who has which byte, and what is refused ---------------- */

static bool is_device_byte(const struct device *d, unsigned at)
{
    return at >= d->place && at < d->place + d->size;
}

static uint8_t *byte_at(struct bench *b, unsigned at)
{
    return is_device_byte(&b->d, at) ? &b->d.bytes[at - b->d.place]
                                     : &b->ram_bytes[at];
}

static bool is_taken(const struct device *d, hwaddr offset, unsigned size)
{
    unsigned max = d->ops.valid.max_access_size;

    return (d->ops.valid.unaligned || offset % size == 0) &&
           (max == 0 || (size >= d->ops.valid.min_access_size && size <= max));
}

/* How wide the next part of a bulk transfer is. */
static unsigned bulk_width(const struct device *d, hwaddr offset, unsigned left)
{
    unsigned max = d->ops.valid.max_access_size;
    unsigned size = max ? max : 8;

    while (size > left || (!d->ops.impl.unaligned && offset % size != 0)) {
        size /= 2;
    }
    return size;
}

static bool is_power(unsigned size)
{
    return size == 1 || size == 2 || size == 4 || size == 8;
}

/* Which bytes of @a are refused, and is it one access of the device? */
struct expected {
    bool whole;
    bool any_refused;
    bool refused[16];
};

static void refuse_from(struct expected *e, unsigned first, unsigned size)
{
    e->any_refused = true;
    memset(e->refused + first, true, size);
}

static void expect_bulk(const struct device *d, const struct access *a,
                        struct expected *e)
{
    for (unsigned i = 0; i < a->size;) {
        unsigned at = a->at + i;
        unsigned left = a->size - i;
        unsigned width = 1;

        if (is_device_byte(d, at)) {
            unsigned end = d->place + d->size - at;

            width = bulk_width(d, at - d->place, left < end ? left : end);
            if (!is_taken(d, at - d->place, width)) {
                refuse_from(e, i, width);
            }
        }
        i += width;
    }
}

static struct expected expect(const struct device *d, const struct access *a)
{
    bool inside =
        is_device_byte(d, a->at) && is_device_byte(d, a->at + a->size - 1);
    struct expected e = { .whole = false };

    if (a->path == BULK || !inside) {
        expect_bulk(d, a, &e);
        return e;
    }
    e.whole = is_power(a->size) &&
              (a->path != BYTES || is_taken(d, a->at - d->place, a->size));
    if (!e.whole) {
        expect_bulk(d, a, &e);
    } else if (!is_taken(d, a->at - d->place, a->size)) {
        refuse_from(&e, 0, a->size);
    }
    if (a->path == BYTES && e.any_refused) {
        refuse_from(&e, 0, a->size); /* all of it, or nothing */
    }
    return e;
}

/* ---- What the callbacks may be ----------------------------------------- */

static bool is_asked_for(const struct access *a, const struct device *d,
                         hwaddr addr)
{
    unsigned at = (unsigned)addr + d->place;

    return at >= a->at && at < a->at + a->size;
}

static bool was_read_before(const struct device *d, unsigned n)
{
    const struct call *c = &d->calls[n];

    return n > 0 && !d->calls[n - 1].is_write &&
           d->calls[n - 1].addr == c->addr && d->calls[n - 1].size == c->size;
}

static void check_call(const struct access *a, const struct device *d,
                       unsigned n)
{
    const struct call *c = &d->calls[n];
    unsigned asked = 0;

    for (unsigned i = 0; i < c->size; i++) {
        asked += is_asked_for(a, d, c->addr + i);
    }
    check(asked > 0, "a callback of bytes that nobody asked for");
    if (c->is_write) {
        check(asked == c->size || was_read_before(d, n),
              "neighbours written unread");
        check(asked == c->size || c->size == d->impl_min,
              "a merge where narrower writes would do");
    }
    check(c->addr + c->size <= d->size || c->size == d->impl_min,
          "past the end of the region");
    if (a->is_write && !c->is_write) {
        check(n + 1 < d->count && d->calls[n + 1].is_write &&
                  was_read_before(d, n + 1),
              "a read that no write follows");
    }
}

static void check_cover(const struct access *a, const struct expected *e,
                        const struct device *d)
{
    for (unsigned i = 0; i < a->size; i++) {
        unsigned at = a->at + i;
        unsigned covered = 0;

        for (unsigned n = 0; n < d->count; n++) {
            const struct call *c = &d->calls[n];

            covered += c->is_write == a->is_write && at >= d->place + c->addr &&
                       at < d->place + c->addr + c->size;
        }
        if (is_device_byte(d, at) && !e->refused[i]) {
            check(e->whole ? covered == 1 : covered >= 1,
                  "a byte not covered, or twice");
        }
    }
}

static void check_order(const struct access *a, const struct device *d)
{
    hwaddr next = 0;

    for (unsigned n = 0; n < d->count; n++) {
        if (d->calls[n].is_write == a->is_write) {
            check(d->calls[n].addr >= next, "not in ascending order");
            next = d->calls[n].addr + d->calls[n].size;
        }
    }
}

/* Equal parts that the device can do: then they are what it sees. */
static void check_straight(const struct access *a, const struct device *d)
{
    unsigned chunk = a->size < d->impl_max ? a->size : d->impl_max;
    hwaddr offset = a->at - d->place;

    if (chunk < d->impl_min ||
        (!d->ops.impl.unaligned && offset % chunk != 0)) {
        return;
    }
    check(d->count == a->size / chunk, "count of callbacks");
    for (unsigned n = 0; n < d->count; n++) {
        check(d->calls[n].addr == offset + n * chunk &&
                  d->calls[n].size == chunk &&
                  d->calls[n].is_write == a->is_write,
              "callbacks of a plain access");
    }
}

static void check_calls(const struct access *a, const struct expected *e,
                        const struct device *d)
{
    for (unsigned n = 0; n < d->count; n++) {
        check_call(a, d, n);
    }
    check_cover(a, e, d);
    if (e->whole && !e->any_refused) {
        check_order(a, d);
        check_straight(a, d);
    }
    check(!e->whole || !e->any_refused || d->count == 0,
          "callbacks of what is refused");
}

/* ---- One case ---------------------------------------------------------- */

static void pick_access(struct access *a)
{
    const struct device *d = &bench.d;
    bool in_region;

    memset(a, 0, sizeof(*a));
    a->path = (enum path)pick(5);
    a->way = (enum way)pick(3);
    a->is_write = pick(2);
    a->size =
        a->path == BULK || a->path == BYTES ? 1 + pick(16) : 1u << pick(4);
    a->swap = pick(2) && (a->path == BY_REGION || a->path == FIXED);
    in_region = a->path == BY_REGION || a->path == BYTES || a->path == BY_TLB;
    if (in_region && a->size > d->size) {
        a->path = BULK;
        in_region = false;
        a->swap = false;
    }
    a->at = in_region ? d->place + pick(d->size - a->size + 1)
                      : d->place - 16 + pick(d->size + 16);
    for (unsigned i = 0; i < a->size; i++) {
        a->bytes[i] = (uint8_t)pick(256);
    }
}

static void check_read(const struct access *a, const struct expected *e)
{
    for (unsigned i = 0; i < a->size; i++) {
        uint8_t byte = e->refused[i] ? 0 : *byte_at(&bench, a->at + i);

        check(a->bytes[i] == byte, "the wrong byte was read");
    }
}

static void run_case(void)
{
    static uint8_t before_ram[SPACE_BYTES];
    static uint8_t before[DEVICE_MAX + SLACK];
    struct bench *b = &bench;
    struct expected e;
    MemTxResult result;
    struct access a;

    pick_access(&a);
    e = expect(&b->d, &a);
    b->d.count = 0;
    b->d.by_tlb = a.path == BY_TLB || (a.path == BYTES && a.way == OF_TLB);
    memcpy(before, b->d.bytes, sizeof(before));
    memcpy(before_ram, b->ram_bytes, sizeof(before_ram));
    result = perform(&a);
    check(result == (e.any_refused ? MEMTX_DECODE_ERROR : MEMTX_OK), "result");
    check_calls(&a, &e, &b->d);
    if (a.is_write) {
        for (unsigned i = 0; i < a.size; i++) {
            unsigned at = a.at + i;

            if (!e.refused[i]) {
                *(is_device_byte(&b->d, at) ? &before[at - b->d.place]
                                            : &before_ram[at]) = a.bytes[i];
            }
        }
    } else {
        check_read(&a, &e);
    }
    check(memcmp(before, b->d.bytes, sizeof(before)) == 0, "device bytes");
    check(memcmp(before_ram, b->ram_bytes, sizeof(before_ram)) == 0, "RAM");
    b->made[a.path] += !e.any_refused;
    b->cases++;
}

static uint64_t number(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);

    return text ? strtoull(text, NULL, 0) : otherwise;
}

static void test_random_accesses(void **state)
{
    uint64_t wanted =
        number("XBAR_SPLITTER_CASES",
               getenv("XBAR_LONG") ? 100 * DEFAULT_CASES : DEFAULT_CASES);
    struct bench *b = &bench;

    (void)state;
    b->tlb = aligned_alloc(64, (sizeof(SoftTLB) + 63) / 64 * 64);
    assert_non_null(b->tlb);
    b->seed = number("XBAR_MODEL_SEED", 1);
    while (b->cases < wanted) {
        b->random = b->seed * 0x9e3779b97f4a7c15 + 1;
        for (unsigned i = 0; i < 8; i++) {
            next_random(&b->random);
        }
        open_device();
        for (unsigned i = 0; i < CASES_PER_DEVICE; i++) {
            run_case();
        }
        close_device();
        b->seed++;
    }
    for (unsigned path = 0; path < 5; path++) {
        assert_true(b->made[path] > wanted / 100);
    }
    free(b->tlb);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_accesses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
