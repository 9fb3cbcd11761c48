/* SPDX-License-Identifier: MIT */
/*
 * The host contract: how a translator says what to compute, without knowing
 * the host. The build chooses one implementation: x86_64/, or host_none.c,
 * with which jit_host__supported() is false and nothing else is called.
 *
 * The guest is seen as 32 64-bit registers, a pc, a budget and a soft-TLB in
 * one structure (struct jit_guest says where). The hottest registers have
 * fixed homes in host registers while emitted code runs, across all blocks;
 * the others live in memory. Register 0 may be wired to zero.
 *
 * A block:
 *
 *     entry:  budget -= n; exit if that is negative     jit_host__prologue
 *             body                                      alu, load, store, ...
 *             one of: links, indirect jump, step        flow
 *     cold:   slow paths, exit stubs                    jit_host__epilogue
 *
 * Operations that leave a block remember the instruction they belong to
 * (struct jit_emit: insn, pc_offset, length) as a site, so that the guest's
 * pc can be recovered from the host's.
 *
 * Preconditions of all: the caller runs outside emitted code of this cache.
 */
#ifndef XBAR_JIT_HOST_H
#define XBAR_JIT_HOST_H

#include "jit/cache.h"
#include "jit/code_buf.h"
#include "tlb/tlb_layout.h"

/* ---- The vCPU as emitted code sees it ---------------------------------- */

#define JIT_RAS_SIZE 16 /* deeper calls return through the jump cache */

/* A call that has not returned: where it returns to, and the code there. */
struct jit_return {
    uint64_t pc;         /* 1: empty */
    const uint8_t *code; /* the landing of the block that called, or a stub */
};

/* Functions that emitted code calls; all get the vCPU first. */
struct jit_helpers {
    /* 0 with the value in state.value; nonzero: a fault, nothing changed. */
    uint32_t (*load)(void *vcpu, uint64_t va, unsigned size_log2,
                     const void *return_address);
    uint32_t (*store)(void *vcpu, uint64_t va, unsigned size_log2,
                      const void *return_address, uint64_t value);
    /* Execute one instruction out of line; nonzero: it trapped. */
    uint32_t (*execute)(void *vcpu, uint32_t bits, uint64_t pc,
                        const void *return_address);
    /* Do the instruction that ends a block, whatever it changes. Return: the
     * code to go on with, a block's or jit_host__leave_code(). */
    const uint8_t *(*resume)(void *vcpu, uint32_t bits, uint64_t pc,
                             const void *return_address);
    /* Look at @what, all registers in memory; nonzero: it trapped. */
    uint32_t (*look)(void *vcpu, const void *what, const void *return_address);
};

#define JIT_FP_CONSTANTS 8

/*
 * Accesses to a page that are not in its counter yet: those that hit a span,
 * which is that page unless it is empty. One for each span.
 */
struct jit_cursor {
    uint64_t count;   /* to be added */
    uint64_t page;    /* host address / 4096, of counts->ram */
    int64_t patience; /* misses that hit elsewhere, until the span goes there */
    int64_t given;    /* it was that: above JIT_LEAPS, few hit the span */
};

#define JIT_LEAPS 30

/*
 * Where accesses count by page, a slot whose span is of many pages: what misses
 * its own span asks that one, and counts by address. No register has it.
 */
#define JIT_LONG_SPAN 0

/* Accesses to a register of a device that translated code made by itself. */
struct jit_device_cursor {
    const FlatRange *section; /* NULL: nobody's */
    uint64_t phys;
    int64_t credit;     /* less 1 for each; negative: used up */
    int64_t given;      /* it was that */
    uint64_t ticks;     /* of the access before */
    uint64_t unused[3]; /* so that it lies in one cache line */
};

/* Of each kind and size of access; phys / size chooses one. */
#define JIT_DEVICES 8

/* State of the engine inside the vCPU structure. */
struct jit_state {
    int64_t budget;   /* instructions left; counted at block entry */
    uint64_t value;   /* of the last slow load */
    uint32_t span;    /* slot of spans that the slow access missed in */
    uint64_t pc;      /* target of an indirect jump that missed */
    const void *site; /* return address of the call that left a block */
    struct jit_helpers helpers;
    /* Nonzero: devices may be called without helpers.load and store, which
     * are told of no such access; it counts in devices if stubs do that. */
    uint32_t bare;
    uint64_t pages[2]; /* counter of the page at host address 0: see emit */
    /* The same: of accesses that hit spans. */
    _Alignas(32) struct jit_cursor cursors[TLB_CONTEXTS][2][TLB_SPANS];
    uint64_t ras_top; /* byte offset of the newest entry in ras */
    struct jit_return ras[JIT_RAS_SIZE]; /* a ring */
    struct xbar_jit_jumps jumps;
    /* The host's: see jit/host_fp.h. */
    uint32_t fp_control; /* while FP is live, with the flags so far */
    uint32_t fp_outside; /* the embedder's */
    uint32_t fp_live;    /* in the code that helpers.resume names */
    _Alignas(16) uint64_t fp_constants[JIT_FP_CONSTANTS][2];
    _Alignas(64) struct jit_device_cursor devices[2][4][JIT_DEVICES];
};

/* What a guest's vCPU structure looks like, in byte offsets. */
struct jit_guest {
    size_t regs;         /* uint64_t regs[32] */
    size_t state;        /* struct jit_state */
    size_t tlb;          /* SoftTLB */
    size_t attention;    /* uint32_t: nonzero means leave soon */
    size_t data_context; /* uint8_t: of loads and stores */
    bool reg0_is_zero;
    uint8_t hot[16]; /* registers by heat, hottest first */
    size_t fp_regs;  /* uint64_t fp_regs[32] */
    uint8_t hot_fp[16];
};

/* As RISC-V numbers them. */
enum jit_fp_rounding {
    JIT_FP_NEAREST,
    JIT_FP_TO_ZERO,
    JIT_FP_DOWN,
    JIT_FP_UP,
};

/* ---- Entering and leaving ---------------------------------------------- */

enum jit_exit_kind {
    JIT_EXIT_LINK,      /* data = block id * XBAR_JIT_LINKS + link */
    JIT_EXIT_BUDGET,    /* data = block id: nothing of it was executed */
    JIT_EXIT_INDIRECT,  /* state.pc: not in the jump cache */
    JIT_EXIT_FAULT,     /* state.site: a load, store or helper failed there */
    JIT_EXIT_STEP,      /* state.site: have another engine do the instruction */
    JIT_EXIT_ATTENTION, /* state.site: the instruction before was the last */
    JIT_EXIT_RESUME,    /* helpers.resume has settled everything */
};

struct jit_exit {
    uint32_t kind; /* enum jit_exit_kind */
    uint32_t data;
};

bool jit_host__supported(void);

/* Bytes of the fixed part that jit_host__make_stubs() needs. */
size_t jit_host__stubs_size(void);

struct jit_stubs; /* where the shared stubs are; the host's own */

/* Write the shared stubs. @baseline: emit nothing that some hosts of the kind
 * lack, for tests. @counts_devices: in state.devices; @counts_pages: as struct
 * jit_emit says. NULL if memory is short. Free with jit_host__free_stubs. */
struct jit_stubs *jit_host__make_stubs(struct xbar_engine *engine,
                                       struct xbar_jit_cache *cache,
                                       const struct jit_guest *guest,
                                       bool baseline, bool counts_devices,
                                       bool counts_pages);
void jit_host__free_stubs(struct xbar_engine *engine, struct jit_stubs *stubs);

/* Code that only leaves, with JIT_EXIT_RESUME; FP is not live in it. */
const uint8_t *jit_host__leave_code(const struct jit_stubs *stubs);

/* Run from the block at @code until something leaves. @fp: it was emitted with
 * that. */
struct jit_exit jit_host__enter(const struct jit_stubs *stubs, void *vcpu,
                                const uint8_t *code, bool fp);

/* ---- Emitting ---------------------------------------------------------- */

enum jit_alu {
    JIT_ADD,
    JIT_SUB,
    JIT_AND,
    JIT_OR,
    JIT_XOR,
    JIT_SLL,
    JIT_SRL,
    JIT_SRA,
    JIT_SLT,
    JIT_SLTU,
    JIT_ADDW,
    JIT_SUBW,
    JIT_SLLW,
    JIT_SRLW,
    JIT_SRAW,
    JIT_MUL,
    JIT_MULW,
    JIT_MULH,
    JIT_MULHU,
    JIT_MULHSU,
    JIT_DIV,
    JIT_DIVU,
    JIT_REM,
    JIT_REMU,
    JIT_DIVW,
    JIT_DIVUW,
    JIT_REMW,
    JIT_REMUW,

    /* Bits. What has one operand ignores b. */
    JIT_ANDN, /* a & ~b */
    JIT_ORN,
    JIT_XNOR,
    JIT_MIN,
    JIT_MAX,
    JIT_MINU,
    JIT_MAXU,
    JIT_ROL,
    JIT_ROR,
    JIT_ROLW,
    JIT_RORW,
    JIT_SH1ADD, /* (a << 1) + b; _UW: of the low 32 bits of a */
    JIT_SH2ADD,
    JIT_SH3ADD,
    JIT_ADD_UW,
    JIT_SH1ADD_UW,
    JIT_SH2ADD_UW,
    JIT_SH3ADD_UW,
    JIT_SLL_UW, /* b is an immediate */
    JIT_CLZ,    /* of 0: the width */
    JIT_CTZ,
    JIT_CPOP,
    JIT_CLZW,
    JIT_CTZW,
    JIT_CPOPW,
    JIT_SEXT_B,
    JIT_SEXT_H,
    JIT_ZEXT_H,
    JIT_ORC_B, /* each byte that is not 0 becomes 0xff */
    JIT_REV8,
    JIT_BCLR, /* the bit that b names, modulo 64 */
    JIT_BEXT,
    JIT_BINV,
    JIT_BSET,
    JIT_ZERO_IF_0, /* b == 0 ? 0 : a; b is a register */
    JIT_ZERO_IF_NOT_0,
};

enum jit_condition {
    JIT_EQ,
    JIT_NE,
    JIT_LT,
    JIT_GE,
    JIT_LTU,
    JIT_GEU,
};

enum jit_amo {
    JIT_AMO_SWAP,
    JIT_AMO_ADD,
    JIT_AMO_XOR,
    JIT_AMO_AND,
    JIT_AMO_OR,
    JIT_AMO_MIN,
    JIT_AMO_MAX,
    JIT_AMO_MINU,
    JIT_AMO_MAXU,
};

/* A register, or an immediate. */
struct jit_operand {
    bool is_imm;
    uint8_t reg;
    int64_t imm;
};

/*
 * A load or store of 1 << size_log2 bytes at regs[base] + offset.
 *
 * In regions, a load may be indexed: at that + (regs[index] << scale). It does
 * then what two instructions did, the first of which left regs[base] +
 * (regs[index] << scale) in reg: that is there if the load faults or calls out.
 * And one of 4 bytes may leave the value narrow (jit/host_region.h).
 */
struct jit_access {
    uint8_t reg; /* loaded or stored */
    uint8_t base;
    uint8_t size_log2;
    bool sign_extend;
    int32_t offset;
    bool fp; /* reg is an FP register; a single is boxed */
    bool narrow;
    bool is_indexed;
    uint8_t index;
    uint8_t scale;
    uint8_t slot; /* of the span that it asks; the host's own */
};

/* Who says that an access is to RAM that may be accessed so. */
enum jit_trust {
    JIT_ASK,    /* it asks itself */
    JIT_KNOWN,  /* jit_host__begin_group() before it, no call of C between */
    JIT_MISSED, /* that said no, in code that is out of line: it goes the slow
                   way at once */
};

/* That all accesses of one kind from regs[base] + low to + high are such. */
struct jit_check {
    uint8_t base;
    bool writes;
    uint16_t count; /* accesses */
    int32_t low;
    int32_t high;
};

#define JIT_CHECKS 4

/* Accesses that are checked together: where those lead that miss. The host's
 * own. */
struct jit_group {
    uint32_t jumps[2 * JIT_CHECKS];
    unsigned jump_count;
    uint32_t resume;       /* where the hot path goes on */
    uint64_t computed[32]; /* as of struct jit_emit, where it begins */
};

#define JIT_COLD_MAX 512

struct jit_cold; /* one out-of-line path; the host's own */
struct jit_region;

/* A block being emitted. The caller sets the first part. */
struct jit_emit {
    struct code_buf *b;
    struct xbar_jit_cache *cache;
    struct xbar_jit_block *block;
    const struct jit_guest *guest;
    const struct jit_stubs *stubs;
    const void *vcpu;      /* that is to run it */
    unsigned data_context; /* of the TLB, for loads and stores */
    unsigned fetch_context;
    bool fp; /* is live: jit/host_fp.h */
    enum jit_fp_rounding rounding;
    /* Loads and stores that hit count for their page: 1 is added to the word
     * at state.pages[access] + 8 * (host address / 4096), or to the cursor of
     * the span that says how much is to be added there. The stubs know. */
    bool counts_pages;
    uint32_t leaps[2]; /* by access: slots of spans that few hit */
    bool shows;        /* helpers.load and helpers.store see all registers */
    bool inexact; /* the guest's flag is up already: raising it is harmless */
    uint8_t home[32]; /* host register of each guest register; the host's own */

    struct jit_region *region; /* jit/host_region.h; NULL: a plain block */

    /* The instruction at hand: updated before each. */
    uint16_t insn;
    uint16_t pc_offset;
    uint16_t length;
    uint32_t bits; /* what helpers.execute does for it */

    uint64_t *return_hits; /* NULL: not counted */

    bool narrow; /* nobody will read the upper half of its result */

    /* If it counts pages, for each register: the pc of the instruction that
     * computed it, in the code at hand; 0 if none did but to add a constant to
     * it. */
    uint64_t *computed;

    enum jit_trust trust; /* of loads and stores */
    /* The host's own: the slot of spans that was asked for each base; where the
     * code that left an addend in a register ends, and which. */
    uint8_t checked[32];
    uint32_t addend_at;
    uint32_t addend;

    bool failed; /* sticky: too many sites or cold paths */
    unsigned cold_count;
    struct jit_cold *cold; /* JIT_COLD_MAX of them */
};

size_t jit_host__cold_size(void); /* of the array at emit->cold */

/* The block's entry; the count is filled in by the epilogue. */
void jit_host__prologue(struct jit_emit *e);
void jit_host__epilogue(struct jit_emit *e);
/* Next: leave as if the budget were short unless the exec entry of @page says
 * that it has @addend (struct TLBEntry). */
void jit_host__guard(struct jit_emit *e, uint64_t page, uint64_t addend);
/* Add @amount to @counter, which outlives the block; between instructions.
 * Other threads that add to it as well may get lost. */
void jit_host__count(struct jit_emit *e, uint64_t *counter, int32_t amount);

void jit_host__alu(struct jit_emit *e, enum jit_alu op, unsigned rd,
                   unsigned rs1, struct jit_operand b);
void jit_host__set(struct jit_emit *e, unsigned rd, uint64_t value);
void jit_host__load(struct jit_emit *e, const struct jit_access *access);
void jit_host__store(struct jit_emit *e, const struct jit_access *access);
/* What all @count of @checks say, or go to where @group is missed; at most
 * JIT_CHECKS. Their accesses follow, with nothing between that could leave. */
void jit_host__begin_group(struct jit_emit *e, const struct jit_check *checks,
                           unsigned count, struct jit_group *group);
/* The last access of @group was made. */
void jit_host__end_group(struct jit_emit *e, struct jit_group *group);
/* Behind the hot path: what @group is made of follows, without trust. Then go
 * back to its end. */
void jit_host__begin_missed(struct jit_emit *e, const struct jit_group *group);
void jit_host__end_missed(struct jit_emit *e, const struct jit_group *group);
void jit_host__fence(struct jit_emit *e);

/* Atomics on memory; anything but aligned RAM steps: aligned for the guest and
 * for the host. */
void jit_host__amo(struct jit_emit *e, enum jit_amo op, unsigned size_log2,
                   unsigned rd, unsigned rs1, unsigned rs2);

/* Fields of the vCPU that lr and sc work on (struct riscv_reservation). */
struct jit_reservation {
    size_t valid;     /* bool */
    size_t size_log2; /* uint8_t */
    size_t va;        /* uint64_t */
    size_t value;     /* uint64_t, sign-extended as loaded */
};

void jit_host__load_reserved(struct jit_emit *e, unsigned size_log2,
                             unsigned rd, unsigned rs1,
                             const struct jit_reservation *r);
void jit_host__store_conditional(struct jit_emit *e, unsigned size_log2,
                                 unsigned rd, unsigned rs1, unsigned rs2,
                                 const struct jit_reservation *r);

/* Call helpers.execute; @reads and @writes: registers it touches, or 0. */
void jit_host__execute(struct jit_emit *e, uint32_t bits, unsigned reads,
                       unsigned writes);

/* Call helpers.look for the instruction at hand. If it @executes it, a fault or
 * attention leaves the block as an access does. */
void jit_host__look(struct jit_emit *e, const void *what, bool executes);

enum jit_field_op {
    JIT_FIELD_READ,
    JIT_FIELD_WRITE,
    JIT_FIELD_SET,   /* old | value */
    JIT_FIELD_CLEAR, /* old & ~value */
};

/* A 64-bit field of the vCPU, of which a change touches the bits in mask. */
struct jit_field {
    size_t offset;
    int32_t mask; /* sign-extended */
};

/* regs[rd] = the field, which is changed by @op and @value. */
void jit_host__field(struct jit_emit *e, enum jit_field_op op,
                     const struct jit_field *field, unsigned rd,
                     struct jit_operand value);

/* ---- Ends of a block --------------------------------------------------- */

/* Go on at @pc through link @link; within the page if @same_page. */
void jit_host__goto(struct jit_emit *e, unsigned link, uint64_t pc,
                    bool same_page);
/* If the condition holds, leave through link 1 to @pc; else fall through. */
void jit_host__branch(struct jit_emit *e, enum jit_condition cc, unsigned rs1,
                      unsigned rs2, uint64_t pc, bool same_page);
/* Jump to (regs[base] + offset) & ~1, setting regs[rd] = link_pc first. If it
 * returns, the newest call on the return stack is tried, and e->return_hits
 * counts if that was right. */
void jit_host__jump_indirect(struct jit_emit *e, unsigned base, int32_t offset,
                             unsigned rd, uint64_t link_pc, bool returns);
/*
 * Push a call on the return stack, before the jump that makes it: it returns
 * to @pc, by link 1 of this block, which checks that the page of @pc shows
 * the memory that it showed when the link was made. The stack holds for one mode.
 */
void jit_host__push_return(struct jit_emit *e, uint64_t pc);
/* Empty the stack: the mode changed, or what runs did. */
void jit_host__forget_returns(struct jit_state *state);
/* The same of a call that was interpreted, in a mode where FP is live or not:
 * whatever block @pc has then is looked for. And of an interpreted return. */
void jit_host__add_return(const struct jit_stubs *stubs,
                          struct jit_state *state, uint64_t pc, bool fp);
void jit_host__take_return(struct jit_state *state, uint64_t pc);
/* Take calls off it that would return to a block's @size bytes of @code. */
void jit_host__forget_landings(struct jit_state *state, const uint8_t *code,
                               size_t size);

/*
 * Where a signal handler's @context says that the host was. If that is in a
 * block, *@budget is what is left of state.budget, to be changed there. NULL:
 * this host does not know.
 */
const void *jit_host__interrupted(void *context, int64_t **budget);
/* Leave so that another engine does the instruction at hand. */
void jit_host__step(struct jit_emit *e);
/* Call helpers.resume for the instruction at hand, all registers in memory,
 * and go on where it says. */
void jit_host__resume(struct jit_emit *e, uint32_t bits);

/* ---- Patching ---------------------------------------------------------- */

/*
 * Make the jump whose displacement is stored at @rw (offset @at in code
 * memory, 4-byte aligned) lead to offset @target: one 4-byte store.
 */
void jit_host__patch_jump(uint8_t *rw, uint32_t at, uint32_t target);

/* Replace an 8-byte aligned immediate operand: one 8-byte store. */
void jit_host__patch_value(uint8_t *rw, uint64_t value);

#endif
