/* SPDX-License-Identifier: MIT */
/*
 * banked_board.h for KVM: the guest has the device move RAM while it runs. Ends
 * with status 77 where there is no KVM.
 *
 * cc kvm_board.c $(pkg-config --cflags --libs xbar-kvm) && ./a.out
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <xbar/jit/plug/kvm.h>
#include <xbar/xbar.h>

#include "banked_board.h"

#define RAM    0u
#define WINDOW 0x20000u /* where one of two banks is */
#define DEVICE 0xa0000u

#define CANNOT 77 /* as Automake has it */

/* 16 bits; ds: WINDOW, fs: DEVICE. */
static const uint8_t code[] = {
    0xa1, 0x00, 0x00,                   /* mov ax, [0] */
    0x64, 0xa3, 0x04, 0x00,             /* mov fs:[4], ax  says bank 0's */
    0x64, 0xc6, 0x06, 0x00, 0x00, 0x01, /* mov byte fs:[0], 1  the other */
    0xa1, 0x00, 0x00,                   /* mov ax, [0] */
    0x64, 0xa3, 0x04, 0x00,             /* mov fs:[4], ax  says bank 1's */
    0xc7, 0x06, 0x04, 0x00, 0x01, 0x00, /* mov word [4], 1 */
    0xf4,                               /* hlt */
};

static struct kvm_segment segment(struct kvm_segment s, unsigned base)
{
    s.base = base;
    s.selector = base >> 4;
    return s;
}

/* A vCPU, in real mode, about to execute what is at RAM. */
static int open_vcpu(int vm)
{
    struct kvm_regs regs = { .rip = RAM, .rflags = 2 };
    struct kvm_sregs sregs;
    int vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);

    if (vcpu < 0 || ioctl(vcpu, KVM_GET_SREGS, &sregs)) {
        return -1;
    }
    sregs.cs = segment(sregs.cs, 0);
    sregs.ds = segment(sregs.ds, WINDOW);
    sregs.fs = segment(sregs.fs, DEVICE);
    return ioctl(vcpu, KVM_SET_SREGS, &sregs) ||
                   ioctl(vcpu, KVM_SET_REGS, &regs)
               ? -1
               : vcpu;
}

/* Until the guest halts. */
static int run(struct xbar_kvm *plug, int vcpu, struct kvm_run *state)
{
    for (;;) {
        if (ioctl(vcpu, KVM_RUN, 0) < 0) {
            if (errno == EINTR) {
                continue; /* a signal came, and no exit */
            }
            perror("KVM_RUN");
            return 1;
        }
        if (!xbar_kvm_exit(plug, state)) {
            return state->exit_reason != KVM_EXIT_HLT;
        }
    }
}

int main(void)
{
    static struct board b;
    int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
    int vm = kvm < 0 ? -1 : ioctl(kvm, KVM_CREATE_VM, 0);
    int vcpu = vm < 0 ? -1 : open_vcpu(vm);
    struct xbar_kvm *plug;
    struct kvm_run *state;
    uint16_t *bank[2];
    Error *err = NULL;

    if (vcpu < 0) {
        fprintf(stderr, "no KVM here: %s\n", strerror(errno));
        return CANNOT;
    }
    state = mmap(NULL, (size_t)ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0),
                 PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
    if (state == MAP_FAILED || build_board(&b, RAM, WINDOW, DEVICE)) {
        return 1;
    }
    plug =
        xbar_kvm_new(&(struct xbar_kvm_config){ .as = &b.as, .vm = vm }, &err);
    if (plug == NULL) {
        printf("%s\n", error_get_pretty(err));
        error_free(err);
        return 1;
    }
    address_space_write(&b.as, RAM, MEMTXATTRS_UNSPECIFIED, code, sizeof(code));
    for (unsigned i = 0; i < 2; i++) {
        bank[i] = memory_region_get_ram_ptr(&b.bank[i]);
        bank[i][0] = (uint16_t)(100 + i);
    }
    if (run(plug, vcpu, state)) {
        return 1;
    }
    printf("the banks have %u and %u\n", bank[0][2], bank[1][2]);
    return xbar_kvm_free(plug) != 0;
}
