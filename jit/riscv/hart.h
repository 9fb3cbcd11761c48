/* SPDX-License-Identifier: MIT */
/**
 * An RV64GC hart on an AddressSpace: M, S and U mode, Sv39 and Sv48, PMP, and
 * Zba, Zbb, Zbs, Zicond, Zicbom, Zicboz, Zicntr, Sstc, Svadu and Svinval.
 *
 * One thread runs a hart; any thread may raise interrupt lines, move the
 * timer and ask for an exit.
 *
 * Harts of one engine, each on its own thread, may share memory, code
 * included: after a store by one, any synchronisation, and a fence.i of the
 * other, that other executes what was stored, at whatever address it sees it.
 * Harts may be made and freed while others run.
 */
#ifndef XBAR_JIT_RISCV_HART_H
#define XBAR_JIT_RISCV_HART_H

#include "../../flatview/address_space.h"
#include "../../tlb/tlb.h"

#ifdef __cplusplus
extern "C" {
#endif

struct xbar_riscv_hart;
struct xbar_riscv_block;
struct xbar_riscv_state;
struct xbar_instruments;

/** Interrupt lines, by their bit in mip. */
enum xbar_riscv_irq {
    XBAR_RISCV_IRQ_S_SOFT = 1,
    XBAR_RISCV_IRQ_M_SOFT = 3,
    XBAR_RISCV_IRQ_S_TIMER = 5,
    XBAR_RISCV_IRQ_M_TIMER = 7, /* driven by the hart's own comparator */
    XBAR_RISCV_IRQ_S_EXT = 9,
    XBAR_RISCV_IRQ_M_EXT = 11,
};

/** Why xbar_riscv_run() came back. */
enum xbar_riscv_exit {
    XBAR_RISCV_EXIT_BUDGET,   /* ran the instructions asked for */
    XBAR_RISCV_EXIT_REQUEST,  /* xbar_riscv_request_exit() */
    XBAR_RISCV_EXIT_MISMATCH, /* lockstep: see xbar_riscv_mismatch() */
    XBAR_RISCV_EXIT_BREAK,    /* at a breakpoint: see debug.h */
    XBAR_RISCV_EXIT_WATCH,    /* behind an access to watched bytes */
};

/**
 * Told of @count data accesses to a device after they were carried out, each of
 * which took @ticks: as xbar_tlb_device_fn is of one.
 *
 * Translated code accesses the same register many times until that is told: at
 * the latest when the slice ends, or xbar_riscv_run(). With a clock, one in some
 * 32 of those is timed; the ones behind it are told to have taken as long, unless
 * it took over 256 times as long as the one before. The sum of times is right on
 * average, not of few accesses.
 */
typedef void xbar_riscv_device_fn(void *opaque, const FlatRange *section,
                                  hwaddr offset, enum xbar_tlb_access access,
                                  unsigned size_log2, uint64_t count,
                                  uint64_t ticks);

struct xbar_riscv_config {
    AddressSpace *as; /* must outlive the hart */
    uint64_t hartid;
    uint64_t reset_pc;
    uint64_t timebase_hz; /* of `time` and mtime; 0: 10 MHz */

    /*
     * Time is a function of the instructions retired, and an interrupt comes
     * at the same instruction in every run and every engine. 0: host time.
     * Otherwise instructions per tick of the timebase; wfi skips ahead. Time
     * stands still where no instruction retires: in a guest whose trap handler
     * faults at once, for ever.
     */
    uint32_t insns_per_tick;

    /* See struct xbar_tlb_config: data accesses with their section; or, with
     * counts (which must outlive the hart), those outside of counts->ram. An
     * atomic that reads and writes is told as a write, and counted as both. */
    xbar_tlb_observe_fn *observe;
    void *observe_opaque;
    struct xbar_tlb_counts *counts; /* complete while the hart does not run */
    xbar_riscv_device_fn *device;   /* with counts */
    void *device_opaque;
    uint64_t (*ticks)(void);
    /* With counts: for each 4 KiB page of counts->ram, the instructions that
     * begin there and were interpreted (of translated ones xbar_riscv_block
     * tells). NULL: not wanted. */
    uint64_t *interpreted;

    /* Have xbar_riscv_access_pc() know the instruction. */
    bool tells_pc;

    /* Bytes of translated code at most; 0: XBAR_RISCV_CODE_LIMIT. */
    size_t code_limit;

    /* How often code is met before it is translated, 127 at most; until then
     * it is interpreted. 1: at once. 0: chosen, and 1 with count_blocks. */
    unsigned translate_after;

    /* Have translated code count how often each block runs, and its indirect
     * jumps: see xbar_riscv_for_each_block() and xbar_riscv_get_counts(). */
    bool count_blocks;
    /*
     * With count_blocks: told of a block that is about to go, with all it
     * counted. The hart must not be touched. Those that are left when the
     * engine is changed, or the hart freed, are not told.
     */
    void (*block_gone)(void *opaque, const struct xbar_riscv_block *block);
    void *block_gone_opaque;

    /* Who sees what is executed, and must outlive the hart: NULL, or that of
     * the machine. See jit/instrument.h. */
    struct xbar_instruments *instruments;

    unsigned stress; /* enum xbar_riscv_stress: for tests */
};

/** Slower, with the same results: what tests turn on to meet rare paths. */
enum xbar_riscv_stress {
    XBAR_RISCV_STRESS_TLB = 1 << 0,      /* the TLB holds one entry */
    XBAR_RISCV_STRESS_CHAIN = 1 << 1,    /* blocks are not chained */
    XBAR_RISCV_STRESS_EVICT = 1 << 2,    /* code is dropped after each run */
    XBAR_RISCV_STRESS_BASELINE = 1 << 3, /* no instruction that some hosts lack:
                                            before the engine is set */
    XBAR_RISCV_STRESS_SPAN = 1 << 4,     /* spans are learnt at once */
    XBAR_RISCV_STRESS_REGION = 1 << 5,   /* loops are hot at once */
    XBAR_RISCV_STRESS_NO_SPAN = 1 << 6,  /* spans are never learnt */
};

/*
 * Only what is used is resident, and as much again is known of its blocks.
 * Debian's installer fills twice that up to its first dialog, and with half of
 * it takes 2 % more time.
 */
#define XBAR_RISCV_CODE_LIMIT ((size_t)32 << 20)

/** Who executes instructions. */
enum xbar_riscv_engine {
    XBAR_RISCV_INTERP,   /* the reference: slow, and plainly right (default) */
    XBAR_RISCV_JIT,      /* translates blocks to host code */
    XBAR_RISCV_LOCKSTEP, /* both, compared after each block: for tests */
};

/** Of the translating engine; all 0 without one. */
struct xbar_riscv_jit_stats {
    uint64_t instructions; /* retired in translated code */
    uint64_t blocks;       /* translated ever */
    uint64_t blocks_live;
    uint64_t guest_insns; /* translated ever */
    uint64_t links;       /* exits chained ever */
    uint64_t exits;       /* times that translated code was left */
    uint64_t jump_misses; /* indirect jumps that the inline cache missed */
    uint64_t invalidated; /* blocks dropped: their bytes changed */
    uint64_t evicted;     /* blocks dropped: their segment was needed */
    uint64_t recalled;    /* of the invalidated: their bytes came back */
    uint64_t replaced;    /* blocks dropped: one of a loop took their place, or
                           * their page is other memory now */
    uint64_t code_bytes;  /* of code memory in use, gaps included */
    uint64_t code_bytes_ever;

    /* Counted with config.count_blocks, else 0. */
    uint64_t jumps;             /* indirect jumps: returns, calls by pointer */
    uint64_t return_hits;       /* of these, that the return stack foretold;
                                 * where the call was interpreted, that is a
                                 * jump miss, too */
    uint64_t gone_executions;   /* of blocks that were dropped since */
    uint64_t gone_instructions; /* retired in these */
};

struct xbar_riscv_stats {
    uint64_t instructions; /* retired */
    uint64_t exceptions;   /* taken, any mode */
    uint64_t interrupts;
    uint64_t wfi_sleeps;
    uint64_t fence_i;
    uint64_t sfence_vma;
    uint64_t traps[64]; /* by cause: 0..31 exceptions, 32.. interrupts */
    struct xbar_tlb_stats tlb;
    struct xbar_riscv_jit_stats jit;
};

/** xbar_riscv_new() - a hart in reset; NULL if memory is short, or the
 * instruments have XBAR_VCPUS_MAX harts */
XBAR_API struct xbar_riscv_hart *
xbar_riscv_new(const struct xbar_riscv_config *config) XBAR_MUST_CHECK;
/** xbar_riscv_free() - end a hart; NULL is fine; one that runs is left alone */
XBAR_API void xbar_riscv_free(struct xbar_riscv_hart *hart);

/** xbar_riscv_has_jit() - is there a translator for this host? */
XBAR_API bool xbar_riscv_has_jit(void);

/**
 * xbar_riscv_set_engine() - choose who executes
 *
 * Return: 0; -EBUSY while the hart runs, in its callbacks, too; -ENOTSUP if
 * there is no translator for this host, and for lockstep with instruments;
 * -EPERM or -EACCES if the host refuses executable memory; -EINVAL for a
 * code_limit above 1 GiB; -ENOMEM. On failure the engine stays what it was.
 */
XBAR_API int xbar_riscv_set_engine(struct xbar_riscv_hart *hart,
                                   enum xbar_riscv_engine engine)
    XBAR_MUST_CHECK;

/**
 * xbar_riscv_mismatch() - what lockstep found
 *
 * Return: lines of text, as long as @hart lives and its engine stays; NULL
 * while the engines agree. Until the engine is set anew the hart does not
 * run any further.
 */
XBAR_API const char *xbar_riscv_mismatch(const struct xbar_riscv_hart *hart);

/**
 * xbar_riscv_reset() - as at power-on: M-mode at reset_pc, registers 0
 *
 * a0 = hartid; set a1 with xbar_riscv_set_x(). Counters in the statistics go
 * on.
 *
 * In a callback of the running hart it takes effect after the instruction that
 * called back, so what is set meanwhile is lost. Not from another thread while
 * the hart runs: that would take effect at some later time.
 */
XBAR_API void xbar_riscv_reset(struct xbar_riscv_hart *hart);

/**
 * xbar_riscv_run() - run until the budget is used up or an exit is asked for
 * @max_insns: instructions to retire at most; UINT64_MAX: no limit
 *
 * Sleeps in wfi. Device callbacks run on this thread. The guest cannot make
 * it fail. An exit that was requested before is taken at once.
 *
 * Context: one thread at a time, outside any read section of its own.
 */
XBAR_API enum xbar_riscv_exit xbar_riscv_run(struct xbar_riscv_hart *hart,
                                             uint64_t max_insns);

/* ---- Any thread -------------------------------------------------------- */

/** xbar_riscv_request_exit() - have xbar_riscv_run() return; async-signal-safe
 */
XBAR_API void xbar_riscv_request_exit(struct xbar_riscv_hart *hart);

/**
 * xbar_riscv_request_exit_here() - the same, without running much further
 * @context: the third argument of a signal handler
 *
 * Translated code looks for requests where a slice ends and behind accesses to
 * devices, so that where it is then says little about where it was. This has
 * it leave at the end of the block that was interrupted, or, if that was a loop
 * translated as a whole, where it begins anew or is left; what translated code
 * called, ends first.
 *
 * Context: a signal handler (SA_SIGINFO), on the thread that runs @hart.
 */
XBAR_API void xbar_riscv_request_exit_here(struct xbar_riscv_hart *hart,
                                           void *context);

/** xbar_riscv_set_irq() - drive an interrupt line; wakes a wfi */
XBAR_API void xbar_riscv_set_irq(struct xbar_riscv_hart *hart,
                                 enum xbar_riscv_irq line, bool level);

/** xbar_riscv_time() - the `time` CSR, in ticks of the timebase; the hart itself
 * may see it a few microseconds late */
XBAR_API uint64_t xbar_riscv_time(struct xbar_riscv_hart *hart);
/** xbar_riscv_clock_ns() - CLOCK_MONOTONIC, within 10 us; on the thread that
 * runs the hart by a counter of the host's, where it has one: for who asks at
 * each access */
XBAR_API uint64_t xbar_riscv_clock_ns(struct xbar_riscv_hart *hart);
/** xbar_riscv_set_time() - move `time` (an mtime write) */
XBAR_API void xbar_riscv_set_time(struct xbar_riscv_hart *hart, uint64_t time);
/** xbar_riscv_set_timecmp() - MTIP is raised while time >= @ticks */
XBAR_API void xbar_riscv_set_timecmp(struct xbar_riscv_hart *hart,
                                     uint64_t ticks);

/* ---- State (while the hart does not run) ------------------------------- */

XBAR_API uint64_t xbar_riscv_get_x(const struct xbar_riscv_hart *hart,
                                   unsigned reg);
XBAR_API void xbar_riscv_set_x(struct xbar_riscv_hart *hart, unsigned reg,
                               uint64_t value);
XBAR_API uint64_t xbar_riscv_get_f(const struct xbar_riscv_hart *hart,
                                   unsigned reg);
XBAR_API void xbar_riscv_set_f(struct xbar_riscv_hart *hart, unsigned reg,
                               uint64_t value);
XBAR_API uint64_t xbar_riscv_get_pc(const struct xbar_riscv_hart *hart);
XBAR_API void xbar_riscv_set_pc(struct xbar_riscv_hart *hart, uint64_t pc);
/**
 * xbar_riscv_access_pc() - of the instruction whose access is being made
 *
 * With tells_pc. Context: the hart's thread, in a callback of a device or of
 * the engine's observer. Elsewhere on it: where the hart left translated code.
 */
XBAR_API uint64_t xbar_riscv_access_pc(const struct xbar_riscv_hart *hart);
/** xbar_riscv_get_csr() - -EINVAL if there is no such CSR */
XBAR_API int xbar_riscv_get_csr(struct xbar_riscv_hart *hart, unsigned csr,
                                uint64_t *value);
/** xbar_riscv_set_csr() - with the side effects of a write in M-mode */
XBAR_API int xbar_riscv_set_csr(struct xbar_riscv_hart *hart, unsigned csr,
                                uint64_t value);

XBAR_API void xbar_riscv_get_stats(const struct xbar_riscv_hart *hart,
                                   struct xbar_riscv_stats *stats);

/**
 * xbar_riscv_save() - all that the guest could tell this hart by, now
 * @to: gets it, for xbar_riscv_state_free(); NULL if this fails
 *
 * Registers, CSRs and PMP, privilege, an lr's reservation, interrupt lines, the
 * comparators and the time, instructions retired, whether it waits in a wfi or
 * stands at a breakpoint that was reported. Not memory, and not what is only the
 * host's: engine, translated code, breakpoints, exit requests, all other
 * statistics. Memory and devices go with it: see machine_snapshot.h.
 *
 * Return: 0; -EBUSY while the hart runs, in its callbacks, too; -ENOMEM.
 */
XBAR_API int xbar_riscv_save(struct xbar_riscv_hart *hart,
                             struct xbar_riscv_state **to) XBAR_MUST_CHECK;

/**
 * xbar_riscv_restore() - become what was saved; as often as wanted
 * @state: of @hart, or of another one with its hartid, timebase_hz and
 * insns_per_tick
 *
 * `time` goes on from what it was. Translated code stays; what was made of pages
 * that xbar_ram_snapshot_restore() wrote, or any hart stored to, is compared
 * with memory at the next run, and goes only if it differs. TLB entries stay if
 * no page table and no other PMP rule is behind them. Allocates nothing.
 *
 * Return: 0; -EBUSY as above; -EINVAL for another hart's.
 */
XBAR_API int xbar_riscv_restore(struct xbar_riscv_hart *hart,
                                const struct xbar_riscv_state *state)
    XBAR_MUST_CHECK;

/** xbar_riscv_state_free() - NULL is fine; before the engine it was made in */
XBAR_API void xbar_riscv_state_free(struct xbar_riscv_state *state);

#define XBAR_RISCV_RETURNS_MAX 16

/**
 * xbar_riscv_get_returns() - where the calls in progress return to
 * @pcs: gets them, the newest first
 *
 * As the translator's return stack has it: calls since the mode changed
 * last, with what calls that never returned left there. None without a
 * translating engine.
 *
 * Return: how many, at most @max and XBAR_RISCV_RETURNS_MAX.
 */
XBAR_API unsigned xbar_riscv_get_returns(const struct xbar_riscv_hart *hart,
                                         uint64_t *pcs, unsigned max);

/** What data accesses cost in one privilege mode. */
struct xbar_riscv_mode_counts {
    /*
     * Of instructions that retired, by TLB_READ and TLB_WRITE and the base-2
     * logarithm of their size; atomics are both, and sc writes also if it
     * fails. Loads and stores that did what MPRV says count for that mode.
     */
    uint64_t accesses[2][TLB_SIZES];
    struct xbar_tlb_fills data; /* what they did not find in the first level */
    struct xbar_tlb_fills fetches;
};

/** By privilege: 0 is U, 1 is S, 3 is M. */
struct xbar_riscv_counts {
    struct xbar_riscv_mode_counts mode[4];
};

/**
 * xbar_riscv_get_counts() - accesses since the hart was made
 *
 * While the hart does not run. Looks at each block. Accesses of translated code
 * are known with config.count_blocks only, those of blocks that went with
 * an engine that was replaced are not.
 */
XBAR_API void xbar_riscv_get_counts(const struct xbar_riscv_hart *hart,
                                    struct xbar_riscv_counts *counts);

/* ---- Translated code (while the hart does not run) --------------------- */

/**
 * A block: guest instructions that were translated together.
 *
 * Hot loops are translated as a whole, over their blocks. With
 * config.count_blocks each piece of such a loop that is executed from one end to
 * the other is a block of its own here; code that is out of line is the last
 * one's. An inner loop may have its pieces twice, for its first round and for
 * the others.
 *
 * Its code may end in more than its last instruction's: what finds the next
 * block, or has the interpreter do what is not translated. Behind hot_size
 * bytes are the paths that are taken rarely.
 *
 * What pointers lead to is there until the hart runs, its engine is set, or
 * it is freed.
 */
struct xbar_riscv_block {
    uint64_t pc;
    uint64_t phys; /* guest-physical address of the first byte's page */
    /* One pc may have several blocks: each combination of privilege, address
     * translation and FPU state has its own. See xbar_riscv_print_mode(). */
    uint32_t mode;
    uint32_t insns;
    const uint8_t *guest; /* the bytes that were translated */
    uint32_t guest_size;
    uint32_t code_size;  /* may be 0 in a loop: of nops, say */
    const uint8_t *code; /* for the host */
    uint32_t hot_size;

    /* With config.count_blocks; else 0 and NULL. */
    uint64_t executions;
    uint64_t instructions;  /* retired in it */
    const uint64_t *left;   /* insns of them: how often it was left with just
                               that many executed */
    const uint16_t *starts; /* insns + 1 offsets into code: where each
                               instruction's begins; the end of the last */
};

/** xbar_riscv_block_executed() - how often instruction @which retired */
static inline uint64_t
xbar_riscv_block_executed(const struct xbar_riscv_block *block, unsigned which)
{
    uint64_t count = block->executions;

    for (unsigned i = 0; i <= which; i++) {
        count -= block->left[i];
    }
    return count;
}

/** What xbar_riscv_for_each_block() calls; false stops. */
typedef bool xbar_riscv_block_fn(void *opaque,
                                 const struct xbar_riscv_block *block);

/**
 * xbar_riscv_for_each_block() - the blocks that are there now, in no order
 *
 * With config.count_blocks since the engine was set, the sum of their
 * instructions and gone_instructions is the instructions of struct
 * xbar_riscv_jit_stats. Nothing is called without a translating engine. @cb
 * must not have the hart do anything.
 */
XBAR_API void xbar_riscv_for_each_block(const struct xbar_riscv_hart *hart,
                                        xbar_riscv_block_fn *cb, void *opaque);

/**
 * xbar_riscv_print() - the text of one instruction
 * @bits: low 16 bits used if compressed
 * @buf: gets a terminated string, cut to @size
 *
 * Return: the instruction's length in bytes, 2 or 4.
 */
XBAR_API unsigned xbar_riscv_print(char *buf, size_t size, uint64_t pc,
                                   uint32_t bits);

/**
 * xbar_riscv_print_mode() - what a block was made for, as text
 * @buf: gets a terminated string, cut to @size
 * @mode: of a struct xbar_riscv_block
 *
 * "M", "S, SUM", "M, data as U": privilege, bits that say what it may access,
 * and as whom. "U, FP": f registers were in use; then how it rounds, if not to
 * nearest ("rtz"), and "NX" if fflags said so already.
 */
XBAR_API void xbar_riscv_print_mode(char *buf, size_t size, uint32_t mode);

#ifdef __cplusplus
}
#endif

#endif
