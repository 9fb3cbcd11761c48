/* SPDX-License-Identifier: MIT */
/*
 * RV64 program: runs instruction sequences from given register values.
 *
 * It lives in its signal handler. Every sequence ends in an ebreak, so the
 * handler finds all registers of the finished one in the signal frame, puts
 * those of the next one there, and returns into it. No register is lost to
 * the harness, and none needs to survive but in the frame. Other signals are
 * noted, and their instruction skipped.
 *
 *   _start --ebreak--> handler --sigreturn--> sequence 0
 *                         ^                       | ebreak
 *                         +-----------------------+   ... then exit
 */
#include "tests/guest/insn_abi.h"
#include "tests/guest/rv_sys.h"

/* ---- The kernel's signal frame ----------------------------------------- */

struct signal_info {
    int32_t number;
    int32_t error;
    int32_t code;
    int32_t pad;
    uint64_t address;
};

struct signal_frame {
    uint64_t flags;
    uint64_t link;
    uint64_t stack[3];
    uint64_t mask;
    uint8_t unused[1024 / 8 - sizeof(uint64_t)];
    struct {
        uint64_t pc;
        uint64_t x[31]; /* x1 and up */
        uint64_t f[32];
        uint32_t fcsr;
    } __attribute__((aligned(16))) machine;
};

struct signal_action {
    void (*handler)(int, struct signal_info *, struct signal_frame *);
    uint64_t flags;
    uint64_t mask;
};

struct signal_stack {
    void *base;
    uint64_t flags;
    uint64_t size;
};

#define SIGNAL_INFO     0x00000004u
#define SIGNAL_ON_STACK 0x08000000u

/* ---- State ------------------------------------------------------------- */

#define NO_CASE UINT64_MAX

static struct insn_header header;
static struct insn_case cases[INSN_MAX_CASES];
static struct insn_outcome outcomes[INSN_MAX_CASES];
static uint64_t current = NO_CASE;
static uint8_t stack[65536] __attribute__((aligned(16)));

static uint64_t *data(void)
{
    return (uint64_t *)GUEST_DATA;
}

static void save_outcome(const struct signal_frame *frame)
{
    struct insn_outcome *out = &outcomes[current];

    out->state.x[0] = 0;
    for (unsigned i = 1; i < 32; i++) {
        out->state.x[i] = frame->machine.x[i - 1];
    }
    for (unsigned i = 0; i < 32; i++) {
        out->state.f[i] = frame->machine.f[i];
    }
    out->state.fcsr = frame->machine.fcsr;
    out->memory = insn_digest(data());
}

static void load_case(struct signal_frame *frame)
{
    const struct insn_case *in = &cases[current];

    frame->machine.pc = in->start;
    for (unsigned i = 1; i < 32; i++) {
        frame->machine.x[i - 1] = in->state.x[i];
    }
    for (unsigned i = 0; i < 32; i++) {
        frame->machine.f[i] = in->state.f[i];
    }
    frame->machine.fcsr = (uint32_t)in->state.fcsr;
    insn_fill(data(), in->data_seed);
}

static void next_case(struct signal_frame *frame)
{
    if (current != NO_CASE) {
        save_outcome(frame);
    }
    current++; /* NO_CASE becomes 0 */
    if (current == header.count) {
        rv_write(outcomes, header.count * sizeof(outcomes[0]));
        rv_exit(0);
    }
    load_case(frame);
}

static void skip_fault(int number, const struct signal_info *info,
                       struct signal_frame *frame)
{
    uint64_t pc = frame->machine.pc;
    int has_address = number == INSN_SIGSEGV || number == INSN_SIGBUS;

    if (pc < GUEST_CODE || pc >= GUEST_CODE + header.code_size) {
        rv_exit(4); /* jumped out, or a bug of this program */
    }
    insn_add_fault(&outcomes[current],
                   (struct insn_fault){ pc, has_address ? info->address : 0,
                                        (uint64_t)number });
    frame->machine.pc += (*(const uint16_t *)pc & 3) == 3 ? 4 : 2;
}

static void handle(int number, struct signal_info *info,
                   struct signal_frame *frame)
{
    if (current == NO_CASE ||
        (number == INSN_SIGTRAP && frame->machine.pc == cases[current].end)) {
        next_case(frame);
    } else {
        skip_fault(number, info, frame);
    }
}

/* ---- Set-up ------------------------------------------------------------ */

static void map(uint64_t address, uint64_t size, long protection)
{
    const long flags = 0x2 | 0x10 | 0x20; /* private, fixed, anonymous */
    long got =
        rv_syscall(RV_SYS_MMAP, (const long[6]){ (long)address, (long)size,
                                                 protection, flags, -1, 0 });

    if (got != (long)address) {
        rv_exit(5);
    }
}

static void catch (long number)
{
    const struct signal_action action = {
        .handler = handle,
        .flags = SIGNAL_INFO | SIGNAL_ON_STACK,
    };

    if (rv_syscall(RV_SYS_SIGACTION, (const long[6]){ number, (long)&action, 0,
                                                      sizeof(action.mask) }) !=
        0) {
        rv_exit(6);
    }
}

static void read_input(void)
{
    if (rv_read(&header, sizeof(header)) != sizeof(header) ||
        header.code_size > GUEST_CODE_SIZE || header.count > INSN_MAX_CASES ||
        rv_read((void *)GUEST_CODE, header.code_size) != header.code_size ||
        rv_read(cases, header.count * sizeof(cases[0])) !=
            header.count * sizeof(cases[0])) {
        rv_exit(7);
    }
}

_Noreturn void _start(void)
{
    const struct signal_stack alternate = { stack, 0, sizeof(stack) };

    map(GUEST_CODE, GUEST_CODE_SIZE, 7);
    map(GUEST_DATA - GUEST_HOLE, GUEST_DATA_SIZE + 2 * GUEST_HOLE, 0);
    map(GUEST_DATA, GUEST_DATA_SIZE, 3);
    read_input();
    rv_syscall(RV_SYS_SIGALTSTACK, (const long[6]){ (long)&alternate });
    catch (INSN_SIGILL);
    catch (INSN_SIGTRAP);
    catch (INSN_SIGBUS);
    catch (INSN_SIGSEGV);
    __asm__ volatile("ebreak");
    rv_exit(8);
}
