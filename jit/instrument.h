/* SPDX-License-Identifier: MIT */
/**
 * Instrumentation: who wants to see what a guest executes.
 *
 * A machine has one `struct xbar_instruments`, made for its address space; its
 * harts join it when they are made (`instruments` in struct xbar_riscv_config).
 * A subscriber joins at any time, before or while harts run:
 *
 *     hart ----+                      +---- ops->translated, ->trap, ->commit
 *     hart ----+-- xbar_instruments --+---- ...
 *                                     |
 *     code about to run --translated(code)--> the subscriber looks at it, and
 *        asks to be told when it is executed, what it accesses, or to have a
 *        counter raised by it
 *
 * Code is shown in blocks: instructions one after another in one page, up to
 * and including the first that may go elsewhere (jumps, branches, CSRs, calls
 * of the environment), XBAR_CODE_INSNS at most; an instruction that crosses
 * pages, and wfi, are blocks of their own. A block is shown before it is
 * executed for the first time, and again when its bytes have changed or after
 * a subscriber came or went; the same pc may be shown more than once.
 *
 * **All engines tell the same.** The interpreter and the translator show the
 * same blocks and tell the same events in the same order, to the instruction:
 *
 *     block begins         block counters, block callbacks
 *       instruction        its callbacks, before it is executed
 *         access           after it was carried out, with its value
 *       it retired         its counters
 *       or it did not      a trap is told instead; accesses that faulted, and
 *                          counters of what did not retire, are not
 *
 * So the sum of a counter of 1 at all instructions is what minstret counts. A
 * block that is left by an interrupt, and returned to, begins anew there. What
 * page walks and instruction fetches access is not told.
 *
 * **Cost.** Without a subscriber that wants code, what is translated is the
 * same to the byte. With one, code takes what was asked for: a counter is one
 * addition in it, a callback a call with all registers in memory. Accesses to
 * devices alone (XBAR_TARGET_IO) cost RAM accesses nothing; an instruction
 * whose accesses to RAM are wanted is executed out of line. Loops are not
 * translated as a whole meanwhile.
 *
 * **Threads.** Callbacks run on the thread of the hart that they are about, and
 * commits are told on the thread that commits. Callbacks of one subscriber may
 * run on several threads at a time, if there are several harts: what they share
 * is the subscriber's to guard. Counters in a scoreboard are each hart's own.
 *
 * **In a callback** registers and memory may be read (xbar_vcpu_*), subscribers
 * may come and go, devices and address spaces may be used as from a device's
 * callback. What that changes for the hart (an interrupt, a commit, an exit)
 * holds soon, not at a certain instruction. The hart itself must not be run,
 * freed or given another engine.
 */
#ifndef XBAR_JIT_INSTRUMENT_H
#define XBAR_JIT_INSTRUMENT_H

#include "../engine/error.h"
#include "../flatview/address_space.h"

#ifdef __cplusplus
extern "C" {
#endif

/** One machine's: its harts and its subscribers. */
struct xbar_instruments;
/** One subscriber. */
struct xbar_instrument;
/** A block that is being shown; good during ->translated(). */
struct xbar_code;
/** A hart, as callbacks see it; good during the callback. */
struct xbar_vcpu;
/** Memory that each hart has one piece of. */
struct xbar_scoreboard;

/** Harts of one machine at most. */
#define XBAR_VCPUS_MAX 64

/** Subscribers of one machine at most. */
#define XBAR_INSTRUMENTS_MAX 32

/** Instructions of a block at most. */
#define XBAR_CODE_INSNS 32

/** What an access does: bits. An atomic does both. */
enum xbar_access_kind {
    XBAR_ACCESS_READ = 1 << 0,
    XBAR_ACCESS_WRITE = 1 << 1,
};

/** Where it goes: bits. */
enum xbar_access_target {
    XBAR_TARGET_RAM = 1 << 0, /* memory: RAM, and reads of ROM */
    XBAR_TARGET_IO = 1 << 1,  /* a device's callback, in part at least */
};

/** One instruction, as it lies in memory. */
struct xbar_insn {
    uint64_t pc;
    hwaddr phys; /* guest-physical address of its first byte */
    uint8_t bytes[8];
    uint8_t length;   /* of it */
    uint8_t accesses; /* enum xbar_access_kind: what it may do */
};

/** An access that was carried out. */
struct xbar_access_event {
    uint64_t pc;
    uint64_t va;
    hwaddr phys;      /* of the first byte */
    MemoryRegion *mr; /* that has the first byte; good in the callback, unless
                         the subscriber holds a reference */
    hwaddr offset;    /* in @mr */
    uint64_t loaded;  /* what was read, zero-extended; the lower 8 bytes */
    uint64_t stored;  /* what was written */
    uint8_t size;     /* bytes: 1, 2, 4, 8; 64 for one that clears a block */
    uint8_t kind;     /* enum xbar_access_kind */
    uint8_t target;   /* enum xbar_access_target: one of them */
    uint8_t crossing; /* bytes on the first page if it goes on in another one
                         at phys2, else 0 */
    hwaddr phys2;
};

/** An exception or interrupt that was taken. */
struct xbar_trap_event {
    uint64_t pc; /* of what did not retire, or was to be executed next */
    uint64_t cause;
    uint64_t value;   /* the trap value: an address, an instruction, or 0 */
    uint64_t handler; /* where it goes on */
    bool is_interrupt;
    uint8_t from; /* privilege: 0 user, 1 supervisor, 3 machine */
    uint8_t to;
};

/** A commit that changed what the address space shows. */
struct xbar_commit_event {
    uint64_t added; /* sections that decode otherwise than before */
    uint64_t removed;
    hwaddr first; /* addresses that they lie in */
    hwaddr last;
};

/** Callbacks for a block or an instruction that is about to be executed, and
 * for an access. @userdata: as given when it was asked for. */
typedef void xbar_execute_fn(struct xbar_vcpu *vcpu, void *userdata);
typedef void xbar_access_fn(struct xbar_vcpu *vcpu,
                            const struct xbar_access_event *event,
                            void *userdata);

/** What a subscriber wants; each may be NULL. */
struct xbar_instrument_ops {
    /** @code is about to be executed for the first time. */
    void (*translated)(void *opaque, struct xbar_vcpu *vcpu,
                       struct xbar_code *code);
    void (*trap)(void *opaque, struct xbar_vcpu *vcpu,
                 const struct xbar_trap_event *event);
    /** Told under the engine's writer lock: as for struct MemoryListener. The
     * view as it is when the subscriber joins is told first. */
    void (*commit)(void *opaque, const struct xbar_commit_event *event);
    /**
     * The last that is called: no thread is in a callback of this subscriber,
     * or will be (but for the one that called xbar_instrument_remove()). Once,
     * on the thread of the last hart to let go, or within the call that ends
     * it. Userdata and scoreboards may go.
     */
    void (*ended)(void *opaque);
};

/* ---- A machine's ------------------------------------------------------- */

/**
 * xbar_instruments_new() - for a machine with address space @as, which must
 * outlive it
 *
 * Return: NULL if memory is short.
 */
XBAR_API struct xbar_instruments *xbar_instruments_new(AddressSpace *as)
    XBAR_MUST_CHECK;

/**
 * xbar_instruments_free() - end it, and all subscribers with it; NULL is fine
 *
 * Return: 0; -EBUSY while a hart belongs to it.
 */
XBAR_API int xbar_instruments_free(struct xbar_instruments *instruments);

/** xbar_instruments_vcpus() - one more than the highest index of a hart ever */
XBAR_API unsigned
xbar_instruments_vcpus(const struct xbar_instruments *instruments);

/** xbar_instruments_lost() - instructions that were executed without being told
 * of, because memory for it was short. Any thread. */
XBAR_API uint64_t
xbar_instruments_lost(const struct xbar_instruments *instruments);

/* ---- Subscribers ------------------------------------------------------- */

/**
 * xbar_instrument_add() - subscribe
 * @ops: copied
 *
 * Harts that run go on in old code until their next safe point (microseconds;
 * one that sleeps is woken), and then translate anew; a hart that does not run
 * does so when it is run.
 *
 * Context: any thread, callbacks too, but no callback of a commit.
 * Return: NULL if memory is short, or there are XBAR_INSTRUMENTS_MAX.
 */
XBAR_API struct xbar_instrument *
xbar_instrument_add(struct xbar_instruments *instruments,
                    const struct xbar_instrument_ops *ops, void *opaque)
    XBAR_MUST_CHECK;

/**
 * xbar_instrument_remove() - subscribe no more
 *
 * On this thread no callback but ended() begins after the call. Harts on other
 * threads may call until they reach a safe point; when all have, ended() is
 * called. Until then @in's userdata and scoreboards must stay. @in itself must
 * not be used any more.
 *
 * Context: any thread, callbacks too, but no callback of a commit.
 */
XBAR_API void xbar_instrument_remove(struct xbar_instrument *in);

/** Which accesses; zero: all. */
struct xbar_access_filter {
    unsigned kinds;         /* enum xbar_access_kind: any of these; 0: all */
    unsigned targets;       /* enum xbar_access_target; 0: all */
    const MemoryRegion *mr; /* that has the first byte; NULL: any */
    hwaddr phys, phys_size; /* its physical address; size 0: any */
    uint64_t va, va_size;   /* its virtual address; size 0: any */
};

/**
 * xbar_instrument_accesses() - be told of accesses of all code
 *
 * As xbar_code_on_access() for every instruction of every block.
 * @filter: copied; NULL: all
 *
 * Context: as xbar_instrument_add(); takes effect as that.
 * Return: 0; -ENOMEM.
 */
XBAR_API int xbar_instrument_accesses(struct xbar_instrument *in,
                                      const struct xbar_access_filter *filter,
                                      xbar_access_fn *cb, void *userdata)
    XBAR_MUST_CHECK;

/* ---- Code that is shown (in ->translated()) ---------------------------- */

/** xbar_code_insns() - how many instructions @code has, at least 1 */
XBAR_API unsigned xbar_code_insns(const struct xbar_code *code);

/** xbar_code_insn() - instruction @which; good as long as @code */
XBAR_API const struct xbar_insn *xbar_code_insn(const struct xbar_code *code,
                                                unsigned which);

/**
 * xbar_code_print() - the text of instruction @which
 * @buf: gets a terminated string, cut to @size
 *
 * Return: 0; -ENOTSUP if who translates has no disassembler.
 */
XBAR_API int xbar_code_print(const struct xbar_code *code, unsigned which,
                             char *buf, size_t size);

/*
 * What the subscriber that is being asked wants of @code. All of it ends with
 * the subscriber. Return: 0; -EINVAL if there is no such instruction or no
 * callback; -ENOMEM.
 */

/** xbar_code_on_block() - call @cb whenever @code begins */
XBAR_API int xbar_code_on_block(struct xbar_code *code, xbar_execute_fn *cb,
                                void *userdata);
/** xbar_code_on_insn() - call @cb before instruction @which is executed */
XBAR_API int xbar_code_on_insn(struct xbar_code *code, unsigned which,
                               xbar_execute_fn *cb, void *userdata);
/** xbar_code_on_access() - call @cb after @which accessed what @filter (copied;
 * NULL: all) says */
XBAR_API int xbar_code_on_access(struct xbar_code *code, unsigned which,
                                 const struct xbar_access_filter *filter,
                                 xbar_access_fn *cb, void *userdata);

/**
 * xbar_code_count_blocks() - add @amount whenever @code begins
 * xbar_code_count_insn() - add @amount whenever @which has retired
 * @board: of whose piece for the hart
 * @offset: the uint64_t there; a multiple of 8
 * @amount: up to INT32_MAX
 */
XBAR_API int xbar_code_count_blocks(struct xbar_code *code,
                                    struct xbar_scoreboard *board,
                                    size_t offset, uint32_t amount);
XBAR_API int xbar_code_count_insn(struct xbar_code *code, unsigned which,
                                  struct xbar_scoreboard *board, size_t offset,
                                  uint32_t amount);

/* ---- Scoreboards ------------------------------------------------------- */

/**
 * xbar_scoreboard_new() - @size bytes for each hart, zeroed
 *
 * The pieces stay where they are, and share no cache line. Harts that join
 * later get one, too.
 *
 * Return: NULL if memory is short.
 */
XBAR_API struct xbar_scoreboard *
xbar_scoreboard_new(struct xbar_instruments *instruments, size_t size)
    XBAR_MUST_CHECK;
/** xbar_scoreboard_free() - at the earliest in ended(); NULL is fine; before
 * the instruments are freed */
XBAR_API void xbar_scoreboard_free(struct xbar_scoreboard *board);

/** xbar_scoreboard_at() - the piece of hart @vcpu; NULL if there is none */
XBAR_API void *xbar_scoreboard_at(const struct xbar_scoreboard *board,
                                  unsigned vcpu);

/** xbar_scoreboard_sum() - the uint64_t at @offset of all pieces; while harts
 * run, about that. 0 beyond the pieces. */
XBAR_API uint64_t xbar_scoreboard_sum(const struct xbar_scoreboard *board,
                                      size_t offset);

/* ---- The hart (in callbacks) ------------------------------------------- */

/** xbar_vcpu_index() - from 0; a hart's for as long as it lives */
XBAR_API unsigned xbar_vcpu_index(const struct xbar_vcpu *vcpu);
/** xbar_vcpu_pc() - of the instruction that the callback is about */
XBAR_API uint64_t xbar_vcpu_pc(const struct xbar_vcpu *vcpu);
/** xbar_vcpu_retired() - instructions that retired before that one */
XBAR_API uint64_t xbar_vcpu_retired(const struct xbar_vcpu *vcpu);
/** xbar_vcpu_register() - general register @reg; 0 beyond the last. After an
 * access of a load its destination still has the old value. */
XBAR_API uint64_t xbar_vcpu_register(const struct xbar_vcpu *vcpu,
                                     unsigned reg);
/** xbar_vcpu_read() - @size bytes of memory at virtual address @va, as a
 * debugger would. Return: how many could be read; devices are not. */
XBAR_API uint64_t xbar_vcpu_read(struct xbar_vcpu *vcpu, uint64_t va, void *buf,
                                 uint64_t size);

/* ---- Plug-ins ---------------------------------------------------------- */

/** The version of this interface. It rises with each change that an existing
 * plug-in would not survive; what is added behind does not raise it. */
#define XBAR_PLUGIN_ABI 1

/** One key=value of the plug-in's option; in order. */
struct xbar_plugin_arg {
    const char *key;
    const char *value; /* "" if there was no "=" */
};

struct xbar_plugin_args {
    unsigned count;
    const struct xbar_plugin_arg *arg; /* good during the entry function */
};

#define XBAR_PLUGIN_JOIN_(a, b) a##b
#define XBAR_PLUGIN_NAME_(abi)  XBAR_PLUGIN_JOIN_(xbar_plugin_entry_, abi)

/**
 * XBAR_PLUGIN() - the head of a plug-in's entry function
 *
 *     XBAR_PLUGIN(instruments, args, errp)
 *     {
 *         ... xbar_instrument_add(instruments, &ops, state) ...
 *         return 0;
 *     }
 *
 * Called once, before harts run. Return: 0; or nonzero with *errp set, and
 * nothing subscribed. The version of the interface is in the symbol's name, so
 * that a plug-in of another one is refused by its name.
 */
#define XBAR_PLUGIN(instruments, args, errp)                   \
    XBAR_PLUGIN_EXPORT int XBAR_PLUGIN_NAME_(XBAR_PLUGIN_ABI)( \
        struct xbar_instruments * instruments,                 \
        const struct xbar_plugin_args *args, Error **errp);    \
    int XBAR_PLUGIN_NAME_(XBAR_PLUGIN_ABI)(                    \
        struct xbar_instruments * instruments,                 \
        const struct xbar_plugin_args *args, Error **errp)

#ifdef __cplusplus
#define XBAR_PLUGIN_EXPORT extern "C" __attribute__((visibility("default")))
#else
#define XBAR_PLUGIN_EXPORT __attribute__((visibility("default")))
#endif

struct xbar_plugin;

/**
 * xbar_plugin_load() - load a shared object and have it subscribe
 * @spec: FILE[,key=value...]; a comma in a value is written twice
 *
 * Context: outside callbacks.
 * Return: NULL with @errp set: no such file, no plug-in, another version of
 * the interface, or the plug-in's own reason.
 */
XBAR_API struct xbar_plugin *
xbar_plugin_load(struct xbar_instruments *instruments, const char *spec,
                 Error **errp) XBAR_MUST_CHECK;

/** xbar_plugin_unload() - after its subscribers' ended(), at the latest after
 * xbar_instruments_free(); NULL is fine */
XBAR_API void xbar_plugin_unload(struct xbar_plugin *plugin);

#ifdef __cplusplus
}
#endif

#endif
