/* SPDX-License-Identifier: MIT */
/*
 * Expressions that gdb leaves to whoever it debugs: conditions of tracepoints
 * and what they collect, as bytecode for a machine with a stack of 64-bit
 * words. See "The GDB Agent Expression Mechanism" in gdb's manual.
 *
 * The bytecode is whatever came in: it ends within AGENT_STEPS_MAX steps, and
 * touches nothing but its stack and what its host hands out. Floating point and
 * printf are refused.
 */
#ifndef XBAR_GDB_AGENT_H
#define XBAR_GDB_AGENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AGENT_STACK_MAX 64
#define AGENT_STEPS_MAX 10000

/* Who has what expressions are about. Each of them: false, and it ends. */
struct agent_host {
    bool (*get_reg)(void *opaque, unsigned reg, uint64_t *value);
    bool (*read)(void *opaque, uint64_t addr, void *bytes, size_t size);
    bool (*get_variable)(void *opaque, unsigned number, uint64_t *value);
    bool (*set_variable)(void *opaque, unsigned number, uint64_t value);
    /* To be recorded. */
    bool (*collect)(void *opaque, uint64_t addr, uint64_t size);
    bool (*collect_text)(void *opaque, uint64_t addr, uint64_t max);
    bool (*collect_variable)(void *opaque, unsigned number);
    void *opaque;
};

/*
 * agent_run() - evaluate @size bytes of @code
 * @steps: those that it took are added
 * @top: gets what it leaves on the stack, 0 if that is nothing
 *
 * Return: NULL; else why it did not come to its end, a text that stays.
 */
const char *agent_run(const struct agent_host *host, const uint8_t *code,
                      size_t size, uint64_t *steps, uint64_t *top);

#endif
