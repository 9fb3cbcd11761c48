/* SPDX-License-Identifier: MIT */
/*
 * What the tests of the emit API run on: code memory that is written at one
 * address and executed at another, and a way to run code with every register
 * chosen and every register looked at afterwards.
 */
#ifndef XBAR_TESTS_JIT_EMIT_RIG_H
#define XBAR_TESTS_JIT_EMIT_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "jit/emit.h"

#define RIG_CODE_SIZE  16384u
#define RIG_STACK_SIZE 65536u
#define RIG_PATTERN    0xa5

/* ---- Code memory ------------------------------------------------------- */

struct rig {
    struct xbar_emit_buffer buffer; /* the writable view */
    uint8_t *rx;                    /* the executable view */
};

static inline uint8_t *rig_map(int fd, int prot)
{
    void *map = mmap(NULL, RIG_CODE_SIZE, prot, MAP_SHARED, fd, 0);

    assert_true(map != MAP_FAILED);
    return map;
}

static inline void rig_open(struct rig *rig)
{
    int fd = memfd_create("code", MFD_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, RIG_CODE_SIZE), 0);
    rig->buffer =
        (struct xbar_emit_buffer){ .code = rig_map(fd, PROT_READ | PROT_WRITE),
                                   .size = RIG_CODE_SIZE };
    rig->rx = rig_map(fd, PROT_READ | PROT_EXEC);
    assert_int_equal(close(fd), 0);
}

static inline void rig_close(struct rig *rig)
{
    assert_int_equal(munmap(rig->buffer.code, RIG_CODE_SIZE), 0);
    assert_int_equal(munmap(rig->rx, RIG_CODE_SIZE), 0);
}

/* Code by hand. Return: its offset. */
static inline uint32_t rig_put(struct rig *rig, const void *bytes, size_t size)
{
    uint32_t at = (uint32_t)rig->buffer.used;

    assert_true(size <= rig->buffer.size - rig->buffer.used);
    memcpy(rig->buffer.code + at, bytes, size);
    rig->buffer.used += size;
    return at;
}

static inline uint32_t rig_put_ret(struct rig *rig)
{
    return rig_put(rig, "\xc3", 1);
}

/* ---- Running it -------------------------------------------------------- */

/* Registers by number, the flags, vectors: the trampoline knows where. */
struct rig_registers {
    uint64_t reg[16];
    uint64_t flags;
    uint64_t unused;
    uint64_t vector[16][2];
};

_Static_assert(offsetof(struct rig_registers, flags) == 128, "rig_enter");
_Static_assert(offsetof(struct rig_registers, vector) == 144, "rig_enter");

/* The trampoline below has no register to find these by: they are static. */
extern struct rig_registers rig_in, rig_out;
extern const void *rig_code;
extern uint8_t *rig_stack_top;
void rig_enter(void);

struct rig_registers rig_in, rig_out;
const void *rig_code;
uint8_t *rig_stack_top; /* the stack pointer before the call of rig_code */
uint64_t rig_saved_rsp;
static _Alignas(64) uint8_t rig_stack[RIG_STACK_SIZE];

/* clang-format off */
__asm__(
    ".text\n"
    ".globl rig_enter\n"
    ".type rig_enter, @function\n"
    "rig_enter:\n"
    "    push %rbx\n    push %rbp\n    push %r12\n"
    "    push %r13\n    push %r14\n    push %r15\n"
    "    mov %rsp, rig_saved_rsp(%rip)\n"
    "    mov rig_stack_top(%rip), %rsp\n"
    "    push rig_in+128(%rip)\n"
    "    popfq\n"
    ".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n"
    "    movups rig_in+144+16*\\n(%rip), %xmm\\n\n"
    ".endr\n"
    "    mov rig_in(%rip), %rax\n      mov rig_in+8(%rip), %rcx\n"
    "    mov rig_in+16(%rip), %rdx\n   mov rig_in+24(%rip), %rbx\n"
    "    mov rig_in+40(%rip), %rbp\n"
    "    mov rig_in+48(%rip), %rsi\n   mov rig_in+56(%rip), %rdi\n"
    "    mov rig_in+64(%rip), %r8\n    mov rig_in+72(%rip), %r9\n"
    "    mov rig_in+80(%rip), %r10\n   mov rig_in+88(%rip), %r11\n"
    "    mov rig_in+96(%rip), %r12\n   mov rig_in+104(%rip), %r13\n"
    "    mov rig_in+112(%rip), %r14\n  mov rig_in+120(%rip), %r15\n"
    "    call *rig_code(%rip)\n"
    "    mov %rax, rig_out(%rip)\n     mov %rcx, rig_out+8(%rip)\n"
    "    mov %rdx, rig_out+16(%rip)\n  mov %rbx, rig_out+24(%rip)\n"
    "    mov %rsp, rig_out+32(%rip)\n  mov %rbp, rig_out+40(%rip)\n"
    "    mov %rsi, rig_out+48(%rip)\n  mov %rdi, rig_out+56(%rip)\n"
    "    mov %r8, rig_out+64(%rip)\n   mov %r9, rig_out+72(%rip)\n"
    "    mov %r10, rig_out+80(%rip)\n  mov %r11, rig_out+88(%rip)\n"
    "    mov %r12, rig_out+96(%rip)\n  mov %r13, rig_out+104(%rip)\n"
    "    mov %r14, rig_out+112(%rip)\n mov %r15, rig_out+120(%rip)\n"
    ".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n"
    "    movups %xmm\\n, rig_out+144+16*\\n(%rip)\n"
    ".endr\n"
    "    mov rig_saved_rsp(%rip), %rsp\n"
    "    pushfq\n"
    "    pop rig_out+128(%rip)\n"
    "    cld\n"
    "    pop %r15\n     pop %r14\n    pop %r13\n"
    "    pop %r12\n     pop %rbp\n    pop %rbx\n"
    "    ret\n"
    ".size rig_enter, . - rig_enter\n");
/* clang-format on */

/*
 * Call the code at @offset with rig_in, on a stack of its own, whose pointer
 * is @misalign bytes below a 64-byte boundary.
 */
static inline void rig_run(const struct rig *rig, uint32_t offset,
                           unsigned misalign)
{
    rig_stack_top = rig_stack + RIG_STACK_SIZE - 1024 - misalign;
    memset(rig_stack_top - 256, RIG_PATTERN, 512);
    rig_code = rig->rx + offset;
    rig_enter();
}

/* Did the code that ran leave what is above its frame, and the red zone, if
 * that was in use, alone? */
static inline bool rig_stack_is_kept(bool red_zone)
{
    const uint8_t *from = rig_stack_top - 8 - (red_zone ? 128 : 0);

    for (const uint8_t *p = from; p < rig_stack_top + 256; p++) {
        bool is_return_address = p >= rig_stack_top - 8 && p < rig_stack_top;

        if (!is_return_address && *p != RIG_PATTERN) {
            return false;
        }
    }
    return true;
}

#endif
