/* SPDX-License-Identifier: MIT */
/* Where /dev/kvm opens: a guest in the kernel's KVM, whose memory moves. */
#include <fcntl.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "jit/plug/kvm.h"
#include "tests/unit/plug/board.h"

#define CODE    0x1000u
#define WINDOW0 0x20000u
#define WINDOW1 0x30000u
#define REAL    0xa0000u /* the device */
#define ROUNDS  90u

/*
 * Real mode; ds, es: the banks, fs: the device; ax, cx as for rounds.
 *
 *  again: imul ax, ax, 3 ; add ax, cx ; mov [bx], ax
 *         mov dx, es:[bx] ; add ax, dx ; mov es:[bx + 2], ax
 *         mov fs:[0], ax ; add ax, fs:[0]
 *         mov fs:[4], cl                   banks trade places?
 *         add bx, 4 ; dec cx ; jnz again ; hlt
 */
static const uint8_t guest[] = {
    0x6b, 0xc0, 0x03, 0x01, 0xc8, 0x89, 0x07, 0x26, 0x8b, 0x17,
    0x01, 0xd0, 0x26, 0x89, 0x47, 0x02, 0x64, 0x89, 0x06, 0x00,
    0x00, 0x64, 0x03, 0x06, 0x00, 0x00, 0x64, 0x88, 0x0e, 0x04,
    0x00, 0x83, 0xc3, 0x04, 0x49, 0x75, 0xdb, 0xf4,
};

struct real {
    struct board b;
    int kvm, vm, vcpu;
    struct kvm_run *run;
    size_t run_size;
};

/* Its own places, below 1 MiB. */
static void real_swap(struct board *b)
{
    b->swapped++;
    memory_region_transaction_begin();
    memory_region_set_address(&b->bank[0], b->swapped % 2 ? WINDOW1 : WINDOW0);
    memory_region_set_address(&b->bank[1], b->swapped % 2 ? WINDOW0 : WINDOW1);
    assert_int_equal(memory_region_transaction_commit(), 0);
}

static void real_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    struct board *b = opaque;

    if (addr == 4 && value % 4 == 0) {
        real_swap(b);
    } else if (addr == 0) {
        board_write(b, addr, value, size);
    }
}

static const MemoryRegionOps real_ops = {
    .read = board_read,
    .write = real_write,
};

static void segment(struct kvm_segment *s, uint32_t base)
{
    s->base = base;
    s->selector = (uint16_t)(base >> 4);
}

static bool real_open(struct real *r)
{
    struct kvm_regs regs = { .rip = CODE, .rflags = 2, .rcx = ROUNDS };
    struct kvm_sregs sregs;

    r->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    r->vm = r->kvm < 0 ? -1 : ioctl(r->kvm, KVM_CREATE_VM, 0);
    r->vcpu = r->vm < 0 ? -1 : ioctl(r->vm, KVM_CREATE_VCPU, 0);
    if (r->vcpu < 0) {
        return false;
    }
    r->run_size = (size_t)ioctl(r->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
    r->run =
        mmap(NULL, r->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, r->vcpu, 0);
    if (r->run == MAP_FAILED || ioctl(r->vcpu, KVM_GET_SREGS, &sregs)) {
        return false;
    }
    segment(&sregs.cs, 0);
    segment(&sregs.ds, WINDOW0);
    segment(&sregs.es, WINDOW1);
    segment(&sregs.fs, REAL);
    return ioctl(r->vcpu, KVM_SET_SREGS, &sregs) == 0 &&
           ioctl(r->vcpu, KVM_SET_REGS, &regs) == 0;
}

static void real_close(struct real *r)
{
    if (r->vcpu >= 0 && r->run != NULL) {
        munmap(r->run, r->run_size);
    }
    close(r->vcpu);
    close(r->vm);
    close(r->kvm);
}

/* What the guest does, said in C. */
static uint16_t model(uint16_t bank[2][BANK_SIZE / 2], uint64_t *sum)
{
    unsigned swapped = 0;
    uint16_t ax = 0;

    for (uint16_t cx = ROUNDS, i = 0; cx > 0; cx--, i += 2) {
        uint16_t *low = bank[swapped % 2];
        uint16_t *high = bank[1 - swapped % 2];

        ax = (uint16_t)(ax * 3 + cx);
        low[i] = ax;
        ax = (uint16_t)(ax + high[i]);
        high[i + 1] = ax;
        *sum = *sum * 3 + ax;
        ax = (uint16_t)(ax + (uint16_t)*sum);
        swapped += cx % 4 == 0;
    }
    return ax;
}

static void real_board(struct real *r)
{
    board_init(&r->b);
    assert_int_equal(xbar_region_destroy(&r->b.device, NULL, NULL), 0);
    memory_region_init_io(&r->b.device, NULL, &real_ops, &r->b, "device", PAGE);
    memory_region_transaction_begin();
    memory_region_add_subregion(&r->b.root, REAL, &r->b.device);
    memory_region_set_address(&r->b.ram, 0);
    memory_region_set_size(&r->b.ram, WINDOW0);
    memory_region_set_address(&r->b.bank[0], WINDOW0);
    memory_region_set_address(&r->b.bank[1], WINDOW1);
    assert_int_equal(memory_region_transaction_commit(), 0);
    memcpy(r->b.mem + CODE, guest, sizeof(guest));
}

static void test_real_guest(void **state)
{
    static uint16_t bank[2][BANK_SIZE / 2];
    static struct real r;
    struct xbar_kvm_config config;
    struct kvm_regs regs;
    Error *err = NULL;
    struct xbar_kvm *plug;
    uint64_t sum = 0;
    uint16_t ax;

    (void)state;
    memset(&r, 0, sizeof(r));
    if (!real_open(&r)) {
        print_message("no virtual machine here: %s\n", strerror(errno));
        real_close(&r);
        skip();
    }
    real_board(&r);
    config = (struct xbar_kvm_config){ .as = &r.b.as, .vm = r.vm };
    plug = xbar_kvm_new(&config, &err);
    if (plug == NULL) {
        fail_msg("%s", error_get_pretty(err));
    }
    do {
        assert_true(ioctl(r.vcpu, KVM_RUN, 0) == 0 || errno == EINTR);
    } while (xbar_kvm_exit(plug, r.run));
    assert_int_equal(r.run->exit_reason, KVM_EXIT_HLT);
    assert_int_equal(ioctl(r.vcpu, KVM_GET_REGS, &regs), 0);
    ax = model(bank, &sum);
    assert_int_equal((uint16_t)regs.rax, ax);
    assert_int_equal(r.b.sum, sum);
    assert_int_equal(r.b.swapped, ROUNDS / 4);
    for (unsigned i = 0; i < 2; i++) {
        assert_memory_equal(memory_region_get_ram_ptr(&r.b.bank[i]), bank[i],
                            BANK_SIZE);
    }
    assert_int_equal(xbar_kvm_free(plug), 0);
    real_close(&r);
    board_finish(&r.b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_real_guest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
