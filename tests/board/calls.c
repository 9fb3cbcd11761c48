/* SPDX-License-Identifier: MIT */
/*
 * A guest whose calls in progress are known, for what samples them: calls that
 * never return, that are interrupted by a trap, and deep ones.
 *
 *     _start -> work -> quiet -> spin
 *                    -> trapped -> spin      behind an ecall
 *                    -> dive, 24 deep -> spin
 *                    -> deep -> leap -> spin     and leap goes back to work
 */
#include <stdint.h>

#ifndef ROUNDS
#define ROUNDS 40
#endif
#ifndef SPINS
#define SPINS 1000000
#endif

void work(void);
int remember(uint64_t place[5]);
void go_back(const uint64_t place[5]);

static uint64_t place[5];
static volatile uint64_t sink;
uint8_t stack[65536] __attribute__((aligned(16)));

__asm__(".globl remember\n"
        ".type remember, @function\n"
        "remember:\n"
        "    sd ra, 0(a0)\n"
        "    sd sp, 8(a0)\n"
        "    sd s0, 16(a0)\n"
        "    sd s1, 24(a0)\n"
        "    sd s2, 32(a0)\n"
        "    li a0, 0\n"
        "    ret\n"
        ".size remember, . - remember\n"
        ".globl go_back\n"
        ".type go_back, @function\n"
        "go_back:\n"
        "    ld ra, 0(a0)\n"
        "    ld sp, 8(a0)\n"
        "    ld s0, 16(a0)\n"
        "    ld s1, 24(a0)\n"
        "    ld s2, 32(a0)\n"
        "    li a0, 1\n"
        "    ret\n"
        ".size go_back, . - go_back\n"
        ".align 2\n"
        ".type handler, @function\n"
        "handler:\n"
        "    csrr t0, mepc\n"
        "    addi t0, t0, 4\n"
        "    csrw mepc, t0\n"
        "    mret\n"
        ".size handler, . - handler\n"
        ".section .text.start, \"ax\"\n"
        ".globl _start\n"
        ".type _start, @function\n"
        "_start:\n"
        "    la sp, stack + 65536\n"
        "    li s0, 0\n"
        "    la t0, handler\n"
        "    csrw mtvec, t0\n"
        "    call work\n"
        ".size _start, . - _start\n"
        ".text\n");

static __attribute__((noinline)) uint64_t spin(uint64_t count)
{
    uint64_t value = count;

    for (uint64_t i = 0; i < count; i++) {
        value ^= value << 13;
        value ^= value >> 7;
        value ^= value << 17;
    }
    return value;
}

static __attribute__((noinline)) uint64_t leap(void)
{
    sink += spin(SPINS / 4);
    go_back(place);
    return sink + 1;
}

static __attribute__((noinline)) uint64_t deep(void)
{
    return leap() * 3 + sink;
}

/* Its way back lies far up the stack. */
static __attribute__((noinline)) uint64_t quiet(void)
{
    volatile uint64_t room[500];

    room[1] = 1;
    sink += spin(SPINS);
    return sink + room[1];
}

static __attribute__((noinline)) uint64_t trapped(void)
{
    __asm__ volatile("ecall" : : : "t0", "memory");
    sink += spin(SPINS);
    return sink + 2;
}

static __attribute__((noinline)) uint64_t dive(unsigned depth)
{
    return (depth > 1 ? dive(depth - 1) : spin(SPINS)) + sink;
}

void work(void)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        if (!remember(place)) {
            sink += deep();
        }
        sink += quiet();
        sink += trapped();
        sink += dive(24);
    }
    *(volatile uint32_t *)0x100000 = 0x5555;
    for (;;) {
    }
}
