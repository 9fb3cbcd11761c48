/* SPDX-License-Identifier: MIT */
/*
 * Guest memory from generated code: a block made by hand that sums an array in
 * guest RAM and writes the sum to a device.
 *
 *     rbx  vCPU                     rbp  where the array is, then its end
 *     rsi  address                  rax  sum
 *     rcx, rdx  scratch             r8   element
 *
 * cc emit_block.c $(pkg-config --cflags --libs xbar) && ./a.out
 */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <xbar/xbar.h>

#define ARRAY  0x100 /* guest address: big-endian 16-bit numbers */
#define COUNT  100
#define DEVICE 0x2000

/* The guest's CPU, as far as this program needs one. */
struct vcpu {
    SoftTLB tlb; /* emitted code finds it at a fixed offset from rbx */
    AddressSpace as;
    MemoryRegion root, ram, device;
    const void *leave; /* where the block ends */
};

static void dev_write(void *opaque, hwaddr addr, uint64_t data, unsigned size)
{
    (void)opaque, (void)size;
    printf("device register %u: %u\n", (unsigned)addr, (unsigned)data);
}

static uint64_t dev_read(void *opaque, hwaddr addr, unsigned size)
{
    (void)opaque, (void)addr, (void)size;
    return 0;
}

static const MemoryRegionOps ops = { .read = dev_read, .write = dev_write };

/* No paging: a page is where it is. */
static int walk(void *opaque, unsigned context, uint64_t va,
                enum xbar_tlb_access access, struct xbar_tlb_walk *w)
{
    (void)opaque, (void)context, (void)access;
    *w = (struct xbar_tlb_walk){ va, TLB_PROT_READ | TLB_PROT_WRITE, true };
    return 0;
}

static int build_machine(struct vcpu *vcpu)
{
    struct xbar_tlb_config config = { .as = &vcpu->as, .walk = walk };

    memory_region_transaction_begin();
    memory_region_init(&vcpu->root, NULL, "root", UINT64_MAX);
    memory_region_init_ram(&vcpu->ram, NULL, "ram", DEVICE, NULL);
    memory_region_init_io(&vcpu->device, NULL, &ops, vcpu, "sum", 16);
    memory_region_add_subregion(&vcpu->root, 0, &vcpu->ram);
    memory_region_add_subregion(&vcpu->root, DEVICE, &vcpu->device);
    if (memory_region_transaction_commit() ||
        address_space_init(&vcpu->as, &vcpu->root, "memory")) {
        return -1;
    }
    for (unsigned i = 0; i < COUNT; i++) {
        address_space_stw_be(&vcpu->as, ARRAY + 2 * i, i,
                             MEMTXATTRS_UNSPECIFIED, NULL);
    }
    return tlb_init(&vcpu->tlb, &config);
}

/* Told of a failed access: say so, and end the block. */
static const void *report_fault(SoftTLB *tlb, uint64_t cookie)
{
    printf("fault %d at site %u\n", tlb->fault.code, (unsigned)cookie);
    return ((const struct vcpu *)tlb)->leave;
}

/* Instructions that are not accesses: the translator's own business. */
static uint32_t put(struct xbar_emit_buffer *b, const void *code, size_t size)
{
    uint32_t at = (uint32_t)b->used;

    memcpy(b->code + at, code, size);
    b->used += size;
    return at;
}

static const struct xbar_emit_target target = {
    .layout = XBAR_EMIT_LAYOUT,
    .vcpu = XBAR_EMIT_RBX,
    .scratch_count = 2,
    .scratch = { XBAR_EMIT_RCX, XBAR_EMIT_RDX },
    .tlb = offsetof(struct vcpu, tlb),
    .live = 1u << XBAR_EMIT_RAX, /* the sum survives a device's callback */
};

/* Kind, what, alignment rule, context, address, value, offset. */
static const struct xbar_emit_access load = {
    TLB_READ, MO_16 | MO_BE, false, 0, XBAR_EMIT_RSI, XBAR_EMIT_R8, 0
};
static const struct xbar_emit_access store = {
    TLB_WRITE, MO_32, false, 0, XBAR_EMIT_RSI, XBAR_EMIT_RAX, 0
};

/* Hot code first, then the slow paths. */
static int translate(struct vcpu *vcpu, struct xbar_emit_buffer *b)
{
    const struct xbar_emit_fault fault = { .function = report_fault };
    struct xbar_emit_site loads, stores;
    uint32_t loop;
    int err;

    /* push rbx; push rbp; mov rbx, rdi; mov ebp, ARRAY + 2 * COUNT */
    put(b, "\x53\x55\x48\x89\xfb\xbd\xc8\x01\0\0", 10);
    put(b, "\xbe\0\x01\0\0\x31\xc0", 7); /* mov esi, ARRAY; xor eax, eax */
    loop = (uint32_t)b->used;
    err = xbar_emit_fast(b, &target, &load, &loads) < 0;
    /* add rax, r8; add rsi, 2; cmp rsi, rbp; jne loop */
    put(b, "\x4c\x01\xc0\x48\x83\xc6\x02\x48\x39\xee\x0f\x85\0\0\0\0", 16);
    err |= xbar_emit_bind(b, (uint32_t)b->used - 4, loop);
    put(b, "\xbe\0\x20\0\0", 5); /* mov esi, DEVICE */
    err |= xbar_emit_fast(b, &target, &store, &stores) < 0;
    /* pop rbp; pop rbx; ret */
    vcpu->leave = b->code + put(b, "\x5d\x5b\xc3", 3);
    err |= xbar_emit_slow(b, &target, &load, &fault, &loads) < 0;
    return err | (xbar_emit_slow(b, &target, &store, &fault, &stores) < 0);
}

int main(void)
{
    static _Alignas(64) struct vcpu vcpu;
    struct xbar_emit_buffer b = { .size = 4096 };
    uint64_t (*block)(struct vcpu *);

    b.code = mmap(NULL, b.size, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (b.code == MAP_FAILED || build_machine(&vcpu) || translate(&vcpu, &b) ||
        mprotect(b.code, b.size, PROT_READ | PROT_EXEC)) {
        return 1;
    }
    memcpy(&block, &b.code, sizeof(block));
    tlb_enter(&vcpu.tlb);
    printf("sum %u\n", (unsigned)block(&vcpu));
    tlb_leave(&vcpu.tlb);
    tlb_destroy(&vcpu.tlb);
    return 0;
}
