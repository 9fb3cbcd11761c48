/* SPDX-License-Identifier: MIT */
/* The network card and the console, frame by frame and byte by byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "virtio/device.h"
#include "virtio_driver.h"

#define F_CSUM       (UINT64_C(1) << 0)
#define F_GUEST_CSUM (UINT64_C(1) << 1)
#define F_MRG        (UINT64_C(1) << 15)

#define TX_AT UINT64_C(0x1000)
#define RX_AT UINT64_C(0x10000)

struct net_world {
    struct virtio_world world;
    struct virtio_config config;
    struct virtio_ring rx;
    struct virtio_ring tx;
    char forward[64];
    unsigned port;
    int port_fd;
};

/* ---- Set-up ------------------------------------------------------------ */

/* A port that nobody has, nor is given while *@fd is open: who wants just that
 * one can have it, as *@fd does not listen. */
static unsigned reserve_port(int *fd)
{
    struct sockaddr_in addr = { .sin_family = AF_INET };
    socklen_t len = sizeof(addr);
    const int on = 1;

    *fd = socket(AF_INET, SOCK_STREAM, 0);
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(setsockopt(*fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)),
                     0);
    assert_int_equal(bind(*fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    assert_int_equal(getsockname(*fd, (struct sockaddr *)&addr, &len), 0);
    return ntohs(addr.sin_port);
}

static int set_up_net(void **state)
{
    struct net_world *n = test_calloc(1, sizeof(*n));

    n->port = reserve_port(&n->port_fd);
    snprintf(n->forward, sizeof(n->forward), "tcp:127.0.0.1:%u-:22", n->port);
    n->config.num_netdevs = 1;
    n->config.netdevs[0] = (struct netdev_config){
        .is_user = true,
        .hostfwd = { n->forward },
        .num_hostfwd = 1,
    };
    world_make(&n->world, &n->config, false);
    *state = n;
    return 0;
}

static int set_up_console(void **state)
{
    struct net_world *n = test_calloc(1, sizeof(*n));

    n->port_fd = -1;
    n->config.has_console = true;
    world_make(&n->world, &n->config, false);
    *state = n;
    return 0;
}

static int tear_down(void **state)
{
    struct net_world *n = *state;

    world_free(&n->world);
    if (n->port_fd >= 0) {
        close(n->port_fd);
    }
    test_free(n);
    return 0;
}

static void start(struct net_world *n, uint64_t features)
{
    driver_negotiate(&n->world, VIRTIO_F_VERSION_1 | features);
    driver_add_queue(&n->world, &n->rx, 0, 64);
    driver_add_queue(&n->world, &n->tx, 1, 64);
    driver_run(&n->world);
    assert_int_equal(world_get(&n->world, 0x070), 15);
}

/* ---- Frames ------------------------------------------------------------ */

static const uint8_t our_mac[6] = { 0x52, 0x54, 0x00, 0x12, 0x34, 0x56 };

/* ARP: who has @target, or with @answers, 10.0.2.15 is here. 42 bytes. */
static size_t make_arp(uint8_t *frame, uint8_t target, bool answers)
{
    static const uint8_t head[] = { 0x08, 0x06, 0, 1, 8, 0, 6, 4, 0 };

    memset(frame, 0xff, 6);
    memcpy(frame + 6, our_mac, 6);
    memcpy(frame + 12, head, sizeof(head));
    frame[21] = answers ? 2 : 1;
    memcpy(frame + 22, our_mac, 6);
    memcpy(frame + 28, (uint8_t[]){ 10, 0, 2, 15 }, 4);
    memset(frame + 32, 0, 6);
    memcpy(frame + 38, (uint8_t[]){ 10, 0, 2, target }, 4);
    return 42;
}

static void send_frame(struct net_world *n, const uint8_t *frame, size_t len,
                       unsigned flags, unsigned csum_at)
{
    struct virtio_world *w = &n->world;

    address_space_set(&w->as, TX_AT, 0, 12, MEMTXATTRS_UNSPECIFIED);
    ram_put(w, TX_AT, flags, 1);
    ram_put(w, TX_AT + 6, csum_at >> 16, 2);
    ram_put(w, TX_AT + 8, csum_at & 0xffff, 2);
    address_space_write(&w->as, TX_AT + 12, MEMTXATTRS_UNSPECIFIED, frame, len);
    ring_describe(&n->tx, 0, TX_AT, (uint32_t)(12 + len), 0, 0);
    ring_offer(&n->tx, 0);
    assert_int_equal(ring_wait(&n->tx, NULL), 0);
}

/* Buffers 0 to @count - 1 of @len bytes each, offered. */
static void offer_buffers(struct net_world *n, unsigned count, uint32_t len)
{
    for (unsigned i = 0; i < count; i++) {
        ring_describe(&n->rx, i, RX_AT + 0x1000 * i, len, DESC_WRITE, 0);
        ring_offer_quietly(&n->rx, i);
    }
    world_put(&n->world, 0x050, 0);
}

/* The next frame of the type; others that come before are dropped. @buffers of
 * one frame each. Return: its length with the header. */
static uint32_t wait_type(struct net_world *n, unsigned type, uint8_t *bytes)
{
    for (;;) {
        uint32_t head;
        uint32_t len = ring_wait(&n->rx, &head);

        address_space_read(&n->world.as, RX_AT + 0x1000 * head,
                           MEMTXATTRS_UNSPECIFIED, bytes, len);
        ring_offer(&n->rx, head);
        if (len >= 26 && (bytes[24] << 8 | bytes[25]) == (int)type) {
            return len;
        }
    }
}

static void expect_arp_answer(struct net_world *n, uint8_t target)
{
    uint8_t frame[64];
    uint8_t answer[4096];

    send_frame(n, frame, make_arp(frame, target, false), 0, 0);
    assert_true(wait_type(n, 0x0806, answer) >= 12 + 42);
    assert_int_equal(answer[33], 2);
    assert_memory_equal(answer + 40, ((uint8_t[]){ 10, 0, 2, target }), 4);
}

/* ---- The card ---------------------------------------------------------- */

static void test_net_config(void **state)
{
    struct net_world *n = *state;
    struct virtio_world *w = &n->world;

    assert_int_equal(world_get(w, 0x008), 1);
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(ram_get(w, w->base + 0x100 + i, 1), our_mac[i]);
    }
    assert_int_equal(ram_get(w, w->base + 0x106, 2), 1); /* link up */
}

static void test_arp(void **state)
{
    struct net_world *n = *state;
    uint8_t answer[4096];
    uint8_t frame[64];

    start(n, F_GUEST_CSUM);
    offer_buffers(n, 8, 2048);
    expect_arp_answer(n, 2);
    expect_arp_answer(n, 3);
    send_frame(n, frame, make_arp(frame, 2, false), 0, 0);
    (void)wait_type(n, 0x0806, answer);
    assert_int_equal(answer[0], 2); /* checked */
    assert_int_equal(answer[10], 1);
    assert_true(n->world.rises > 0);
}

/* What comes while there are no buffers waits. */
static void test_backlog(void **state)
{
    struct net_world *n = *state;
    uint8_t frame[64];
    uint8_t answer[4096];

    start(n, 0);
    for (unsigned i = 0; i < 20; i++) {
        send_frame(n, frame, make_arp(frame, 2 + i % 2, false), 0, 0);
    }
    usleep(1000);
    assert_int_equal(ring_used(&n->rx), 0);
    offer_buffers(n, 4, 2048);
    for (unsigned i = 0; i < 20; i++) {
        (void)wait_type(n, 0x0806, answer);
        assert_int_equal(answer[43], 2 + i % 2);
    }
}

/* Over several small buffers, which come back together; without that feature a
 * frame that does not fit is lost, and the next one is not. */
static void test_small_buffers(void **state)
{
    struct net_world *n = *state;
    uint8_t frame[64];
    unsigned count;
    uint32_t total = 0;

    start(n, F_MRG);
    offer_buffers(n, 32, 20);
    send_frame(n, frame, make_arp(frame, 2, false), 0, 0);
    total = ring_wait(&n->rx, NULL);
    assert_int_equal(total, 20);
    count = (unsigned)ram_get(&n->world, RX_AT + 10, 2);
    assert_true(count >= 3);
    assert_true(ring_used(&n->rx) >= count - 1);
    for (unsigned i = 1; i < count; i++) {
        total += ring_wait(&n->rx, NULL);
    }
    assert_true(total >= 12 + 42);
    assert_int_equal(ram_get(&n->world, RX_AT + 0x1000 + 13, 1), 2);

    start(n, 0);
    offer_buffers(n, 1, 20);
    send_frame(n, frame, make_arp(frame, 2, false), 0, 0);
    assert_int_equal(ring_used(&n->rx), 0);
    start(n, 0);
    offer_buffers(n, 1, 2048);
    expect_arp_answer(n, 2);
}

/* A connection to the forwarded port becomes a SYN to the guest's port 22. */
static void test_forward(void **state)
{
    struct net_world *n = *state;
    struct sockaddr_in addr = { .sin_family = AF_INET };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    uint8_t frame[64];
    uint8_t got[4096];

    start(n, 0);
    offer_buffers(n, 8, 2048);
    addr.sin_port = htons((uint16_t)n->port);
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    (void)!connect(fd, (struct sockaddr *)&addr, sizeof(addr));
    for (;;) { /* it asks who we are first */
        (void)wait_type(n, 0x0806, got);
        if (got[33] == 1 && got[53] == 15) {
            break;
        }
    }
    send_frame(n, frame, make_arp(frame, 2, true), 0, 0);
    (void)wait_type(n, 0x0800, got);
    assert_int_equal(got[12 + 14 + 9], 6); /* TCP */
    assert_int_equal(got[12 + 34 + 2] << 8 | got[12 + 34 + 3], 22);
    assert_int_equal(got[12 + 34 + 13], 2); /* SYN */
    close(fd);
}

/* The checksum that is left to us: an echo over ICMP is answered only if it is
 * right. */
static void test_checksum(void **state)
{
    static const uint8_t ip[] = { 0x45, 0,    0,  29, 0, 0,  0,  0, 64, 1,
                                  0x62, 0xd0, 10, 0,  2, 15, 10, 0, 2,  2 };
    struct net_world *n = *state;
    uint8_t frame[14 + 20 + 9] = { 0 };
    uint8_t got[4096];

    start(n, F_CSUM);
    offer_buffers(n, 8, 2048);
    expect_arp_answer(n, 2);
    memcpy(frame, "\x52\x55\x0a\x00\x02\x02", 6);
    memcpy(frame + 6, our_mac, 6);
    frame[12] = 8;
    memcpy(frame + 14, ip, sizeof(ip));
    frame[34] = 8; /* echo */
    frame[38] = 0x12;
    frame[42] = 'x';
    send_frame(n, frame, sizeof(frame), 1, 34 << 16 | 2);
    (void)wait_type(n, 0x0800, got);
    assert_int_equal(got[12 + 34], 0); /* the answer */
    assert_int_equal(got[12 + 42], 'x');
}

/* Lengths and offsets that fit nothing are lost, and hurt nobody. */
static void test_bad_frames(void **state)
{
    struct net_world *n = *state;
    uint8_t frame[64] = { 0 };

    start(n, F_CSUM);
    offer_buffers(n, 8, 2048);
    for (unsigned len = 0; len < 64; len++) {
        send_frame(n, frame, len, 0, 0);
        send_frame(n, frame, len, 1, 0xffffu << 16 | 0xffff);
        send_frame(n, frame, len, 1, len << 16);
        send_frame(n, frame, len, 1, (len - 1) << 16);
        send_frame(n, frame, len, 1, 0xfffe);
    }
    ring_describe(&n->tx, 0, 0x1000, 0xf0000, 0, 0); /* too long */
    ring_offer(&n->tx, 0);
    assert_int_equal(ring_wait(&n->tx, NULL), 0);
    expect_arp_answer(n, 2);
    assert_int_equal(world_get(&n->world, 0x070), 15);
}

static void expect_failure(struct net_world *n)
{
    struct virtio_world *w = &n->world;

    while (!(world_get(w, 0x070) & VIRTIO_STATUS_NEEDS_RESET)) {
    }
    assert_int_equal(w->touched, 0);
}

static void test_bad_buffers(void **state)
{
    static const struct {
        hwaddr addr;
        uint32_t len;
        unsigned flags;
    } rows[] = {
        { COUNTER_AT, 2048, DESC_WRITE },
        { ROM_AT, 2048, DESC_WRITE },
        { 0x50000000, 2048, DESC_WRITE },
        { RX_AT, 12, DESC_WRITE },
        { RX_AT, 2048, 0 },
    };
    struct net_world *n = *state;
    uint8_t frame[64];

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        start(n, F_MRG);
        ring_describe(&n->rx, 0, rows[i].addr, rows[i].len, rows[i].flags, 0);
        ring_offer(&n->rx, 0);
        address_space_write(&n->world.as, TX_AT + 12, MEMTXATTRS_UNSPECIFIED,
                            frame, make_arp(frame, 2, false));
        ring_describe(&n->tx, 0, TX_AT, 54, 0, 0);
        ring_offer(&n->tx, 0);
        expect_failure(n);
    }
    start(n, 0); /* the same for what is sent */
    ring_describe(&n->tx, 0, COUNTER_AT, 100, 0, 0);
    ring_offer(&n->tx, 0);
    expect_failure(n);
    start(n, 0);
    offer_buffers(n, 8, 2048);
    expect_arp_answer(n, 2);
}

/* ---- Settings ---------------------------------------------------------- */

static void expect_refused(const char *text, const char *reason)
{
    struct virtio_config config = { 0 };
    struct virtio_slots_config slots = { .devices = &config };
    char copy[128];
    Error *err = NULL;

    snprintf(copy, sizeof(copy), "%s", text);
    if (virtio_config_netdev(&config, copy, &err) == 0) {
        assert_null(virtio_slots_new(&slots, &err));
    }
    if (!strstr(error_get_pretty(err), reason)) {
        fail_msg("%s: %s", text, error_get_pretty(err));
    }
    error_free(err);
}

static void test_settings(void **state)
{
    struct net_world *n = *state;
    char taken[64];

    expect_refused("user,net=10.0.0.0/31", "8 to 29");
    expect_refused("user,net=10.0.0.0/x", "8 to 29");
    expect_refused("user,net=1234.0.0.0/24", "net=");
    expect_refused("user,host=10.0.3.2", "not an IPv4 address in");
    expect_refused("user,dns=x", "not an IPv4 address in");
    expect_refused("user,dns=10.0.2.2", "must differ");
    expect_refused("user,hostfwd=x", "not [tcp|udp]");
    expect_refused("user,hostfwd=tcp::99999-:22", "not [tcp|udp]");
    expect_refused("user,hostfwd=tcp::80-:0", "not [tcp|udp]");
    expect_refused("user,hostfwd=tcp::80", "not [tcp|udp]");
    expect_refused("user,hostfwd=tcp::-1-:22", "not [tcp|udp]");
    expect_refused("user,hostfwd=tcp:1.2.3:80-:22", "not [tcp|udp]");
    snprintf(taken, sizeof(taken), "user,hostfwd=tcp:127.0.0.1:%u-:22",
             n->port);
    expect_refused(taken, "in use");
}

/* ---- The console ------------------------------------------------------- */

static void print_text(struct net_world *n, const char *text, unsigned slot)
{
    hwaddr at = TX_AT + 0x100 * slot;

    address_space_write(&n->world.as, at, MEMTXATTRS_UNSPECIFIED, text,
                        strlen(text));
    ring_describe(&n->tx, slot, at, (uint32_t)strlen(text), 0, 0);
    ring_offer(&n->tx, slot);
}

static void set_room(struct net_world *n, size_t room)
{
    pthread_mutex_lock(&n->world.lock);
    n->world.room = room;
    pthread_mutex_unlock(&n->world.lock);
}

static size_t count_printed(struct net_world *n)
{
    size_t count;

    pthread_mutex_lock(&n->world.lock);
    count = n->world.num_printed;
    pthread_mutex_unlock(&n->world.lock);
    return count;
}

/* A far end that is slow: nothing is lost, and nothing comes twice. */
static void test_console_prints(void **state)
{
    struct net_world *n = *state;

    start(n, 0);
    set_room(n, 3);
    print_text(n, "hello ", 0);
    print_text(n, "world", 1);
    for (unsigned i = 3; i <= 12; i += 3) {
        while (count_printed(n) < (i < 11 ? i : 11)) {
            usleep(100);
        }
        assert_int_equal(ring_used(&n->tx), i < 6 ? 0 : i < 12 ? 1 : 2);
        set_room(n, 3);
        virtio_slots_wake_console(n->world.slots);
        while (i == 3 && ring_used(&n->tx) == 0) {
            usleep(100);
        }
        while (i == 9 && ring_used(&n->tx) == 1) {
            usleep(100);
        }
    }
    assert_int_equal(ring_wait(&n->tx, NULL), 0);
    assert_int_equal(ring_wait(&n->tx, NULL), 0);
    assert_int_equal(n->world.num_printed, 11);
    assert_memory_equal(n->world.printed, "hello world", 11);
}

static void test_console_types(void **state)
{
    struct net_world *n = *state;
    char text[8];

    assert_false(virtio_slots_wants_input(n->world.slots));
    start(n, 0);
    offer_buffers(n, 2, 4);
    while (!virtio_slots_wants_input(n->world.slots)) {
        usleep(100);
    }
    pthread_mutex_lock(&n->world.lock);
    n->world.typed = "abcdefghij";
    pthread_mutex_unlock(&n->world.lock);
    virtio_slots_wake_console(n->world.slots);
    assert_int_equal(ring_wait(&n->rx, NULL), 4);
    assert_int_equal(ring_wait(&n->rx, NULL), 4);
    address_space_read(&n->world.as, RX_AT + 0x1000, MEMTXATTRS_UNSPECIFIED,
                       text, 4);
    assert_memory_equal(text, "efgh", 4);
    offer_buffers(n, 1, 4);
    assert_int_equal(ring_wait(&n->rx, NULL), 2);
    world_put(&n->world, 0x070, 0);
    assert_false(virtio_slots_wants_input(n->world.slots));
}

/* A reset in the middle of a chain forgets it. */
static void test_console_reset(void **state)
{
    struct net_world *n = *state;

    start(n, 0);
    set_room(n, 2);
    print_text(n, "lost", 0);
    while (count_printed(n) < 2) {
        usleep(100);
    }
    start(n, 0);
    set_room(n, SIZE_MAX);
    print_text(n, "found", 0);
    assert_int_equal(ring_wait(&n->tx, NULL), 0);
    assert_memory_equal(n->world.printed, "lofound", 7);
    assert_int_equal(n->world.num_printed, 7);
}

#define NET(test) cmocka_unit_test_setup_teardown(test, set_up_net, tear_down)
#define CONSOLE(test) \
    cmocka_unit_test_setup_teardown(test, set_up_console, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CONSOLE(test_console_prints),
        CONSOLE(test_console_types),
        CONSOLE(test_console_reset),
        NET(test_net_config), /* the first that needs libslirp */
        NET(test_arp),
        NET(test_backlog),
        NET(test_small_buffers),
        NET(test_forward),
        NET(test_checksum),
        NET(test_bad_frames),
        NET(test_bad_buffers),
        NET(test_settings),
    };
    size_t count = XBAR_HAS_LIBSLIRP ? sizeof(tests) / sizeof(tests[0]) : 3;

    if (!XBAR_HAS_LIBSLIRP) {
        print_message("# without libslirp: the console only\n");
    }
    return _cmocka_run_group_tests("tests", tests, count, NULL, NULL);
}
