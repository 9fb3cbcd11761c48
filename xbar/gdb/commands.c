/* SPDX-License-Identifier: MIT */
#include "commands.h"

#include <errno.h>
#include <string.h>
#include <xbar/compat.h>

#include "trace_commands.h"

/* Errors as gdb shows them: a number, or text behind a dot. */
#define BAD_PACKET "E16"
#define NO_MEMORY  "E0c"
#define NOT_THERE  "E0e"

#define SIGNAL_INT  2
#define SIGNAL_TRAP 5

/* ---- Registers --------------------------------------------------------- */

/* All that are in the g packet; p asks for others. */
#define G_REGS (XBAR_RISCV_REG_PC + 1)

static void put_reg(struct gdb_text *reply, uint64_t value)
{
    uint8_t bytes[8];

    stq_le_p(bytes, value);
    gdb_put_hex(reply, bytes, sizeof(bytes));
}

static bool take_reg(const char **text, uint64_t *value)
{
    uint8_t bytes[8];

    if (!gdb_take_hex(text, bytes, sizeof(bytes))) {
        return false;
    }
    *value = ldq_le_p(bytes);
    return true;
}

static const struct gdb_frame *frame_of(struct gdb_target *target)
{
    return gdb_trace_frame(&target->control->trace);
}

/* One that was not collected is all x. Of a frame the pc is known anyway. */
static void put_frame_reg(const struct gdb_frame *frame, unsigned reg,
                          struct gdb_text *reply)
{
    uint64_t value = frame->pc;

    if (gdb_frame_reg(frame, reg, &value) || reg == XBAR_RISCV_REG_PC) {
        put_reg(reply, value);
    } else {
        gdb_put(reply, "xxxxxxxxxxxxxxxx");
    }
}

static void read_regs(struct gdb_target *target, struct gdb_text *reply)
{
    const struct gdb_frame *frame = frame_of(target);

    for (unsigned reg = 0; reg < G_REGS; reg++) {
        uint64_t value = 0;

        if (frame) {
            put_frame_reg(frame, reg, reply);
            continue;
        }
        (void)xbar_riscv_get_reg(target->hart, reg, &value);
        put_reg(reply, value);
    }
}

/* All or nothing: a packet that is too short changes no register. */
static void write_regs(struct gdb_target *target, const char *args,
                       struct gdb_text *reply)
{
    uint64_t values[G_REGS];

    for (unsigned reg = 0; reg < G_REGS; reg++) {
        if (!take_reg(&args, &values[reg])) {
            gdb_put(reply, BAD_PACKET);
            return;
        }
    }
    for (unsigned reg = 0; reg < G_REGS; reg++) {
        (void)xbar_riscv_set_reg(target->hart, reg, values[reg]);
    }
    gdb_put(reply, "OK");
}

static void read_reg(struct gdb_target *target, const char *args,
                     struct gdb_text *reply)
{
    const struct gdb_frame *frame = frame_of(target);
    uint64_t reg, value;

    if (!gdb_take_number(&args, &reg) || reg >= XBAR_RISCV_REGS ||
        xbar_riscv_get_reg(target->hart, (unsigned)reg, &value)) {
        gdb_put(reply, BAD_PACKET);
    } else if (frame) {
        put_frame_reg(frame, (unsigned)reg, reply);
    } else {
        put_reg(reply, value);
    }
}

static void write_reg(struct gdb_target *target, const char *args,
                      struct gdb_text *reply)
{
    uint64_t reg, value;

    if (!gdb_take_number(&args, &reg) || !gdb_take(&args, "=") ||
        !take_reg(&args, &value) || reg >= XBAR_RISCV_REGS ||
        xbar_riscv_set_reg(target->hart, (unsigned)reg, value)) {
        gdb_put(reply, BAD_PACKET);
        return;
    }
    gdb_put(reply, "OK");
}

/* ---- Memory ------------------------------------------------------------ */

static uint64_t read_bytes(struct gdb_target *target, uint64_t addr, void *buf,
                           uint64_t size)
{
    const struct gdb_frame *frame = frame_of(target);

    if (frame) {
        return gdb_frame_read(frame, addr, buf, size);
    }
    return target->is_physical
               ? xbar_address_space_debug_rw(target->as, addr, buf, size, false)
               : xbar_riscv_debug_read(target->hart, addr, buf, size);
}

static uint64_t write_bytes(struct gdb_target *target, uint64_t addr,
                            const void *buf, uint64_t size)
{
    if (!target->is_physical) {
        return xbar_riscv_debug_write(target->hart, addr, buf, size);
    }
    xbar_riscv_debug_synchronize(target->hart);
    return xbar_address_space_debug_rw(target->as, addr, (void *)buf, size,
                                       true);
}

/* As much as there is, and has room in an answer. */
static void read_memory(struct gdb_target *target, const char *args,
                        struct gdb_text *reply)
{
    uint8_t bytes[GDB_PACKET_MAX / 2];
    uint64_t addr, size, done;

    if (!gdb_take_range(&args, &addr, &size)) {
        gdb_put(reply, BAD_PACKET);
        return;
    }
    size = size < sizeof(bytes) ? size : sizeof(bytes);
    done = read_bytes(target, addr, bytes, size);
    if (done == 0 && size != 0) {
        gdb_put(reply, NOT_THERE);
        return;
    }
    gdb_put_hex(reply, bytes, done);
}

static void put_written(struct gdb_text *reply, uint64_t done, uint64_t size)
{
    gdb_put(reply, "%s", done == size ? "OK" : NOT_THERE);
}

static void write_memory(struct gdb_target *target, const char *args,
                         struct gdb_text *reply)
{
    uint8_t bytes[GDB_PACKET_MAX / 2];
    uint64_t addr, size;

    if (!gdb_take_range(&args, &addr, &size) || !gdb_take(&args, ":") ||
        size > sizeof(bytes) || !gdb_take_hex(&args, bytes, size) ||
        *args != '\0') {
        gdb_put(reply, BAD_PACKET);
        return;
    }
    put_written(reply, write_bytes(target, addr, bytes, size), size);
}

/* The same, with the bytes as they are. */
static void write_binary(struct gdb_target *target,
                         const struct gdb_reader *packet, const char *args,
                         struct gdb_text *reply)
{
    const char *end = packet->data + packet->length;
    uint64_t addr, size;

    if (!gdb_take_range(&args, &addr, &size) || !gdb_take(&args, ":") ||
        size != (uint64_t)(end - args)) {
        gdb_put(reply, BAD_PACKET);
        return;
    }
    put_written(reply, write_bytes(target, addr, args, size), size);
}

/* ---- Stops ------------------------------------------------------------- */

/* Types 2 to 4: what is watched for. */
static const uint8_t watch_prot[] = {
    TLB_PROT_WRITE,
    TLB_PROT_READ,
    TLB_PROT_READ | TLB_PROT_WRITE,
};

static const char *const watch_names[] = {
    [TLB_PROT_WRITE] = "watch",
    [TLB_PROT_READ] = "rwatch",
    [TLB_PROT_READ | TLB_PROT_WRITE] = "awatch",
};

static int change_stop(struct gdb_target *target, uint64_t type, uint64_t addr,
                       uint64_t size, bool adds)
{
    struct xbar_tlb_watch watch = { .va = addr, .size = size };
    struct gdb_breaks *breaks = &target->control->breaks;

    if (type < 2 && adds) {
        return gdb_breaks_add(breaks, addr, GDB_BREAK_DEBUGGER);
    }
    if (type < 2) {
        gdb_breaks_remove(breaks, addr, GDB_BREAK_DEBUGGER);
        return 0;
    }
    watch.prot = watch_prot[type - 2];
    return adds ? xbar_riscv_add_watchpoint(target->hart, &watch)
                : xbar_riscv_remove_watchpoint(target->hart, &watch);
}

/* Z and z may come again: what is there is there, what is gone is gone. */
static void set_stop(struct gdb_target *target, const char *args, bool adds,
                     struct gdb_text *reply)
{
    uint64_t type, addr, size;
    int err;

    if (!gdb_take_number(&args, &type) || !gdb_take(&args, ",") ||
        !gdb_take_range(&args, &addr, &size)) {
        gdb_put(reply, BAD_PACKET);
        return;
    }
    if (type > 4 || *args != '\0') {
        return; /* conditions and commands are the debugger's */
    }
    err = change_stop(target, type, addr, size, adds);
    if (err == -ENOMEM) {
        gdb_put(reply, NO_MEMORY);
    } else if (err && err != -ENOENT) {
        gdb_put(reply, BAD_PACKET);
    } else {
        gdb_put(reply, "OK");
    }
}

void gdb_put_stop(const struct gdb_target *target, struct gdb_text *reply)
{
    enum gdb_stop stop = target->control->stop;
    struct xbar_riscv_hit hit;

    gdb_put(reply, "T%02x", stop == GDB_STOP_ASKED ? SIGNAL_INT : SIGNAL_TRAP);
    if (stop == GDB_STOP_WATCH) {
        hit = xbar_riscv_watch_hit(target->hart);
        gdb_put(reply, "%s:%llx;", watch_names[hit.watch.prot],
                (unsigned long long)hit.va);
    }
    gdb_put(reply, "thread:1;");
}

/* ---- Going on ---------------------------------------------------------- */

/* c and s, with an address to go on at; C and S have a signal before it. */
static enum gdb_action go_on(struct gdb_target *target, const char *args,
                             bool has_signal, enum gdb_action action,
                             struct gdb_text *reply)
{
    uint64_t number = 0;

    if (has_signal && !gdb_take_number(&args, &number)) {
        gdb_put(reply, BAD_PACKET);
        return GDB_ANSWER;
    }
    if (has_signal && *args == ';') {
        args++;
    }
    if (*args != '\0') {
        if (!gdb_take_number(&args, &number) || *args != '\0') {
            gdb_put(reply, BAD_PACKET);
            return GDB_ANSWER;
        }
        xbar_riscv_set_pc(target->hart, number);
    }
    return action;
}

static bool is_thread(const char *id)
{
    return strcmp(id, "1") == 0 || strcmp(id, "0") == 0 ||
           strcmp(id, "-1") == 0;
}

/* The first action that is for the one thread there is. */
static enum gdb_action go_on_threads(const char *args, struct gdb_text *reply)
{
    char action = '\0';

    while (action == '\0' && *args == ';') {
        size_t length = strcspn(args + 1, ";");
        const char *colon = memchr(args + 1, ':', length);
        char id[8] = "-1";
        size_t id_length = 0;

        if (colon) {
            id_length = length - (size_t)(colon - args);
            if (id_length >= sizeof(id)) {
                break;
            }
            memcpy(id, colon + 1, id_length);
            id[id_length] = '\0';
        }
        if (is_thread(id)) {
            action = args[1];
        }
        args += 1 + length;
    }
    switch (action) {
    case 'c':
    case 'C':
        return GDB_CONTINUE;
    case 's':
    case 'S':
        return GDB_STEP;
    default:
        gdb_put(reply, BAD_PACKET);
        return GDB_ANSWER;
    }
}

static enum gdb_action run_verbose(const char *args, struct gdb_text *reply)
{
    if (strcmp(args, "Cont?") == 0) {
        gdb_put(reply, "vCont;c;C;s;S");
    } else if (gdb_take(&args, "Cont")) {
        return go_on_threads(args, reply);
    } else if (gdb_take(&args, "Kill")) {
        gdb_put(reply, "OK");
        return GDB_KILL;
    }
    return GDB_ANSWER;
}

/* ---- Questions --------------------------------------------------------- */

static void transfer(struct gdb_target *target, const char *args,
                     struct gdb_text *reply)
{
    if (gdb_take(&args, "features:read:")) {
        if (gdb_take(&args, "target.xml:")) {
            gdb_put_window(reply, target->xml, target->xml_length, args);
        } else {
            gdb_put(reply, "E00");
        }
    } else if (gdb_take(&args, "traceframe-info:read::")) {
        gdb_trace_frame_info(&target->control->trace, args, reply);
    }
}

static void run_monitor(struct gdb_target *target, const char *args,
                        struct gdb_text *reply)
{
    struct gdb_text *answer = &target->answer;
    char line[256];
    size_t length = strlen(args) / 2;

    gdb_clear(answer);
    if (length >= sizeof(line) || !gdb_take_hex(&args, line, length)) {
        gdb_put(reply, BAD_PACKET);
        return;
    }
    line[length] = '\0';
    gdb_monitor(target, line, answer);
    gdb_put_hex(reply, answer->data,
                answer->length < GDB_PACKET_MAX / 2 ? answer->length
                                                    : GDB_PACKET_MAX / 2);
    if (answer->length == 0) {
        gdb_put(reply, "OK");
    }
}

static const char *privilege_of(struct xbar_riscv_hart *hart)
{
    static const char *const names[] = { "U", "S", "", "M" };
    uint64_t priv = 0;

    (void)xbar_riscv_get_reg(hart, XBAR_RISCV_REG_PRIV, &priv);
    return names[priv & 3];
}

static void put_thread_info(const struct gdb_target *target,
                            struct gdb_text *reply)
{
    char text[64];
    int length = snprintf(text, sizeof(text), "hart 0, %s-mode",
                          privilege_of(target->hart));

    gdb_put_hex(reply, text, (size_t)length);
}

static void answer_question(struct gdb_target *target, const char *args,
                            struct gdb_text *reply)
{
    if (gdb_take(&args, "Supported")) {
        gdb_put(reply,
                "PacketSize=%x;qXfer:features:read+;QStartNoAckMode+;"
                "vContSupported+;hwbreak-;swbreak-;" GDB_TRACE_FEATURES,
                GDB_PACKET_MAX);
    } else if (gdb_take(&args, "Xfer:")) {
        transfer(target, args, reply);
    } else if (strcmp(args, "fThreadInfo") == 0) {
        gdb_put(reply, "m1");
    } else if (strcmp(args, "sThreadInfo") == 0) {
        gdb_put(reply, "l");
    } else if (gdb_take(&args, "ThreadExtraInfo,")) {
        put_thread_info(target, reply);
    } else if (strcmp(args, "C") == 0) {
        gdb_put(reply, "QC1");
    } else if (gdb_take(&args, "Attached")) {
        gdb_put(reply, "1"); /* so that a debugger that ends detaches */
    } else if (gdb_take(&args, "Rcmd,")) {
        run_monitor(target, args, reply);
    } else if (strcmp(args, "qemu.PhyMemMode") == 0) {
        gdb_put(reply, "%d", target->is_physical);
    } else if (gdb_take(&args, "Symbol")) {
        gdb_put(reply, "OK");
    } else if (gdb_take(&args, "T")) {
        gdb_trace_ask(&target->control->trace, args, reply);
    }
}

static void change_setting(struct gdb_target *target, const char *args,
                           struct gdb_text *reply)
{
    if (strcmp(args, "StartNoAckMode") == 0) {
        target->has_acks = false;
        gdb_put(reply, "OK");
    } else if (gdb_take(&args, "qemu.PhyMemMode:") &&
               (*args == '0' || *args == '1')) {
        target->is_physical = *args == '1';
        gdb_put(reply, "OK");
    } else if (gdb_take(&args, "T")) {
        gdb_trace_set(&target->control->trace, args, reply);
    }
}

/* ---- All of them ------------------------------------------------------- */

static void set_thread(const char *args, struct gdb_text *reply)
{
    gdb_put(reply, "%s", *args && is_thread(args + 1) ? "OK" : BAD_PACKET);
}

enum gdb_action gdb_execute(struct gdb_target *target,
                            const struct gdb_reader *packet,
                            struct gdb_text *reply)
{
    const char *args = packet->data + (packet->length != 0);

    if (packet->length && strchr("GPMX", packet->data[0]) && frame_of(target)) {
        gdb_put(reply, "E.a trace frame cannot be written");
        return GDB_ANSWER;
    }
    switch (packet->data[0]) {
    case '?':
        gdb_put_stop(target, reply);
        break;
    case 'g':
        read_regs(target, reply);
        break;
    case 'G':
        write_regs(target, args, reply);
        break;
    case 'p':
        read_reg(target, args, reply);
        break;
    case 'P':
        write_reg(target, args, reply);
        break;
    case 'm':
        read_memory(target, args, reply);
        break;
    case 'M':
        write_memory(target, args, reply);
        break;
    case 'X':
        write_binary(target, packet, args, reply);
        break;
    case 'Z':
    case 'z':
        set_stop(target, args, packet->data[0] == 'Z', reply);
        break;
    case 'c':
    case 'C':
        return go_on(target, args, packet->data[0] == 'C', GDB_CONTINUE, reply);
    case 's':
    case 'S':
        return go_on(target, args, packet->data[0] == 'S', GDB_STEP, reply);
    case 'v':
        return run_verbose(args, reply);
    case 'q':
        answer_question(target, args, reply);
        break;
    case 'Q':
        change_setting(target, args, reply);
        break;
    case 'H':
        set_thread(args, reply);
        break;
    case 'T':
        gdb_put(reply, "%s", is_thread(args) ? "OK" : BAD_PACKET);
        break;
    case 'D':
        gdb_put(reply, "OK");
        return GDB_DETACH;
    case 'k':
        return GDB_KILL;
    default:
        break;
    }
    return GDB_ANSWER;
}
