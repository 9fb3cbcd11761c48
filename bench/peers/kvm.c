/* SPDX-License-Identifier: MIT */
/*
 * xbar_bench_kvm: what the kernel charges for the same: an access that leaves
 * the guest and comes back (KVM_EXIT_MMIO), and one memory slot that goes or
 * comes among many.
 *
 * The guest is four bytes of real-mode code, an access and a jump back to it:
 *
 *     0x1000  8a 07  mov al, [bx]   (or 88 07  mov [bx], al)
 *     0x1002  eb fc  jmp 0x1000
 *
 * with ds:bx = 0xa000:8, where no slot is. Without a /dev/kvm that opens the
 * program ends with status 3 and one line that says why.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../bench.h"

#define PAGE     4096u
#define CODE     0x1000u
#define MMIO     0xa0008u
#define FIRST    (UINT64_C(1) << 32) /* of the further slots */
#define STRIDE   0x10000u
#define NOT_HERE 3 /* exit status */

struct machine {
    int kvm;
    int vm;
    int vcpu;
    struct kvm_run *run;
    size_t run_size;
    uint8_t *ram;
    bool is_write;
    unsigned slots;
    const char *wrong;
};

static int set_slot(struct machine *m, unsigned slot, uint64_t at, size_t size)
{
    struct kvm_userspace_memory_region region = {
        .slot = slot,
        .guest_phys_addr = at,
        .memory_size = size,
        .userspace_addr = (uintptr_t)m->ram,
    };

    return ioctl(m->vm, KVM_SET_USER_MEMORY_REGION, &region);
}

/* ---- A virtual machine ------------------------------------------------- */

static int add_vcpu(struct machine *m)
{
    struct kvm_sregs sregs;
    struct kvm_regs regs = { .rip = CODE, .rbx = 8, .rflags = 2, .rax = 0x5a };
    int size = ioctl(m->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);

    m->vcpu = ioctl(m->vm, KVM_CREATE_VCPU, 0);
    if (size < 0 || m->vcpu < 0) {
        return -1;
    }
    m->run_size = (size_t)size;
    m->run =
        mmap(NULL, m->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, m->vcpu, 0);
    if (m->run == MAP_FAILED || ioctl(m->vcpu, KVM_GET_SREGS, &sregs)) {
        return -1;
    }
    sregs.cs.base = 0;
    sregs.cs.selector = 0;
    sregs.ds.base = MMIO & ~15u;
    sregs.ds.selector = MMIO >> 4;
    return ioctl(m->vcpu, KVM_SET_SREGS, &sregs) ||
                   ioctl(m->vcpu, KVM_SET_REGS, &regs)
               ? -1
               : 0;
}

static struct machine *machine_new(void)
{
    struct machine *m = calloc(1, sizeof(*m));

    if (!m) {
        return NULL;
    }
    m->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    m->vm = m->kvm < 0 ? -1 : ioctl(m->kvm, KVM_CREATE_VM, 0);
    m->ram = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (m->vm < 0 || m->ram == MAP_FAILED || set_slot(m, 0, 0, 2 * PAGE) ||
        add_vcpu(m)) {
        return NULL;
    }
    return m;
}

static void teardown(void *context)
{
    struct machine *m = context;

    munmap(m->run, m->run_size);
    close(m->vcpu);
    close(m->vm);
    close(m->kvm);
    munmap(m->ram, 2 * PAGE);
    free(m);
}

static const char *check(void *context)
{
    const struct machine *m = context;

    return m->wrong;
}

/* ---- Exits ------------------------------------------------------------- */

static void *setup_exit(int64_t is_write)
{
    static const uint8_t code[] = { 0x8a, 0x07, 0xeb, 0xfc };
    struct machine *m = machine_new();

    if (m) {
        memcpy(m->ram + CODE, code, sizeof(code));
        m->ram[CODE] = is_write ? 0x88 : 0x8a;
        m->is_write = is_write;
    }
    return m;
}

/* A signal is no exit of the guest's. */
static int enter_guest(const struct machine *m)
{
    int err;

    do {
        err = ioctl(m->vcpu, KVM_RUN, 0);
    } while (err && errno == EINTR);
    return err;
}

static void run_exit(void *context, uint64_t operations)
{
    struct machine *m = context;

    for (uint64_t i = 0; i < operations; i++) {
        if (enter_guest(m) || m->run->exit_reason != KVM_EXIT_MMIO ||
            m->run->mmio.phys_addr != MMIO || m->run->mmio.len != 1 ||
            m->run->mmio.is_write != m->is_write) {
            m->wrong = "the guest did not exit for its access";
            return;
        }
        m->run->mmio.data[0] = 0x5a;
    }
}

/* ---- Slots ------------------------------------------------------------- */

static void *setup_slots(int64_t slots)
{
    struct machine *m = machine_new();

    for (unsigned i = 1; m && i <= slots; i++) {
        if (set_slot(m, i, FIRST + i * STRIDE, PAGE)) {
            return NULL;
        }
    }
    if (m) {
        m->slots = (unsigned)slots;
    }
    return m;
}

/* One in the middle goes, or comes back. */
static void run_slots(void *context, uint64_t operations)
{
    struct machine *m = context;
    const unsigned slot = 1 + m->slots / 2;
    const uint64_t at = FIRST + slot * STRIDE;

    for (uint64_t i = 0; i < operations; i++) {
        if (set_slot(m, slot, at, i % 2 ? PAGE : 0)) {
            m->wrong = "a memory slot could not be changed";
            return;
        }
    }
}

#define SLOTS_ROW(n)                                                        \
    {                                                                       \
        .name = "kvm/slot/" #n, .arg = n, .setup = setup_slots,             \
        .run = run_slots, .teardown = teardown, .check = check, .batch = 8, \
        .flags = BENCH_REAL_TIME                                            \
    }

static const struct bench rows[] = {
    { .name = "kvm/mmio_load",
      .arg = 0,
      .setup = setup_exit,
      .run = run_exit,
      .teardown = teardown,
      .check = check,
      .batch = 64 },
    { .name = "kvm/mmio_store",
      .arg = 1,
      .setup = setup_exit,
      .run = run_exit,
      .teardown = teardown,
      .check = check,
      .batch = 64 },
    SLOTS_ROW(10),
    SLOTS_ROW(100),
    SLOTS_ROW(1000),
};

/* NULL, or why there is no virtual machine here. */
static const char *why_not(void)
{
    const int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    const int vm = kvm < 0 ? -1 : ioctl(kvm, KVM_CREATE_VM, 0);
    const char *why = vm < 0 ? strerror(errno) : NULL;

    if (vm >= 0) {
        close(vm);
    }
    if (kvm >= 0) {
        close(kvm);
    }
    return why;
}

int main(int argc, char **argv)
{
    const char *why = why_not();

    if (why) {
        fprintf(stderr, "xbar_bench_kvm: /dev/kvm: %s\n", why);
        return NOT_HERE;
    }
    gbench_register(rows, sizeof(rows) / sizeof(rows[0]));
    return gbench_main(argc, argv);
}
