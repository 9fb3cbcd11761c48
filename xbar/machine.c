/* SPDX-License-Identifier: MIT */
#include "machine.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "console.h"
#include "gdb/gdb.h"
#include "host_clock.h"
#include "info.h"
#include "machine_internal.h"
#include "monitor.h"

/* With --deterministic, a tenth of a guest second between looks at the RTC. */
#define DETERMINISTIC_SLICE (10 * 1000 * 1000)

static double now_seconds(clockid_t clock)
{
    return (double)host_clock_ns(clock) * 1e-9;
}

/* ---- Inputs in order --------------------------------------------------- */

/* With a tap, inputs are the hart's thread's, between two of its accesses. Any
 * thread. Return: is it to wait? */
static bool leave_to_hart(struct machine *machine, enum waiting what)
{
    if (!machine->tap) {
        return false;
    }
    atomic_fetch_or(&machine->waiting, what);
    machine__call_hart(machine);
    return true;
}

static void note_device_waits(void *opaque)
{
    (void)leave_to_hart(opaque, WAITING_DEVICE);
}

/* ---- What the devices say ---------------------------------------------- */

static void finish_run(void *opaque, int status)
{
    (void)machine__end(opaque, status);
}

static void ask_reset(void *opaque)
{
    struct machine *machine = opaque;

    machine->reset_asked = true;
    machine__call_hart(machine);
}

static void transmit_byte(void *opaque, uint8_t byte)
{
    struct machine *machine = opaque;

    progress_note_byte(&machine->progress, byte);
    console_put(machine->console, byte);
}

/* One at a time, as bytes have an order. A room that the ring cannot fill
 * stays: the console thread calls again when something is typed. */
static void feed_uart(struct machine *machine, struct console *console)
{
    struct uart16550 *uart = &machine->board->uart;
    uint8_t bytes[UART_FIFO_SIZE];
    size_t count;

    xbar_engine_lock(machine->board->engine);
    if (!virtio_slots_wants_input(machine->board->virtio)) {
        count = console_take(console, bytes, uart16550_room(uart));
        if (count) {
            tap_note(machine->tap, TRACE_UART, 0, 0, bytes, count);
        }
        uart16550_receive(uart, bytes, (unsigned)count);
    }
    xbar_engine_unlock(machine->board->engine);
}

static void note_uart_room(void *opaque)
{
    struct machine *machine = opaque;

    if (!leave_to_hart(machine, WAITING_KEYS)) {
        feed_uart(machine, machine->console);
    }
}

/* Under the virtio console's lock. Without an I/O thread this is the hart's,
 * which waits here for what the device would wait for; in vain if the run is
 * to end. */
static size_t print_virtio(void *opaque, const uint8_t *bytes, size_t count)
{
    struct machine *machine = opaque;
    size_t taken = console_write(machine->console, bytes, count);

    while (machine->deterministic && taken < count) {
        size_t more;

        console_wait_room(machine->console);
        more = console_write(machine->console, bytes + taken, count - taken);
        taken = more ? taken + more : count;
    }
    return taken;
}

static size_t read_virtio(void *opaque, uint8_t *bytes, size_t room)
{
    struct machine *machine = opaque;
    size_t count = console_take(machine->console, bytes, room);

    if (count) {
        tap_note(machine->tap, TRACE_CONSOLE, 0, 0, bytes, count);
    }
    return count;
}

static void note_alarm(void *opaque)
{
    struct machine *machine = opaque;

    if (!machine->deterministic) {
        console_kick(machine->console);
    }
}

/* ---- What the console says --------------------------------------------- */

static void feed_input(void *opaque, struct console *console)
{
    struct machine *machine = opaque;

    virtio_slots_wake_console(machine->board->virtio);
    if (!leave_to_hart(machine, WAITING_KEYS)) {
        feed_uart(machine, console);
    }
}

static void note_console_room(void *opaque)
{
    struct machine *machine = opaque;

    virtio_slots_wake_console(machine->board->virtio);
}

/* The alarm is the hart's thread's to raise, if there is a tap. */
static uint64_t look_at_rtc(struct machine *machine)
{
    uint64_t ns = board_rtc_due(machine->board);

    if (ns == 0 && !leave_to_hart(machine, WAITING_ALARM)) {
        ns = board_poll_rtc(machine->board);
    }
    return ns;
}

/* A deterministic alarm is the hart thread's to see, between slices. */
static int poll_alarm(struct machine *machine)
{
    const uint64_t longest = 3600 * 1000;
    uint64_t ms;

    if (machine->deterministic) {
        return -1;
    }
    ms = look_at_rtc(machine);
    if (ms == UINT64_MAX) {
        return -1;
    }
    ms = ms / 1000000 + 1;
    return (int)(ms < longest ? ms : longest);
}

static uint64_t now_ms(void)
{
    return host_clock_ns(CLOCK_MONOTONIC) / 1000000;
}

static bool press_power(void *opaque)
{
    struct machine *machine = opaque;
    bool is_heard;

    xbar_engine_lock(machine->board->engine); /* not during a snapshot */
    is_heard = virtio_slots_press_power(machine->board->virtio);
    xbar_engine_unlock(machine->board->engine);
    return is_heard;
}

static bool is_line_heard(void *opaque)
{
    struct machine *machine = opaque;

    return uart16550_is_heard(&machine->board->uart);
}

/* Filling the UART is one thread's at a time. */
static void break_line(struct machine *machine, uint8_t key)
{
    xbar_engine_lock(machine->board->engine);
    tap_note(machine->tap, TRACE_BREAK, key, 0, NULL, 0);
    (void)uart16550_receive_break(&machine->board->uart, key);
    xbar_engine_unlock(machine->board->engine);
}

static void send_break(void *opaque, uint8_t key)
{
    struct machine *machine = opaque;

    atomic_store(&machine->break_key, key);
    if (!leave_to_hart(machine, WAITING_BREAK)) {
        break_line(machine, key);
    }
}

static void power_down(void *opaque, struct console *console)
{
    struct machine *machine = opaque;

    if (!power_ask(&machine->power, now_ms())) {
        console_quit(console, 128 + SIGTERM);
    } else {
        fputs("xbar: the guest is asked to power off; "
              "SIGTERM again ends it at once\n",
              stderr);
    }
}

static int poll_console(void *opaque, struct console *console)
{
    struct machine *machine = opaque;
    int alarm = poll_alarm(machine);
    int power;

    if (!power_poll(&machine->power, now_ms(), &power)) {
        console_quit(console, 128 + SIGTERM);
    }
    return alarm < 0 || (power >= 0 && power < alarm) ? power : alarm;
}

static void resize_console(void *opaque, uint16_t columns, uint16_t rows)
{
    struct machine *machine = opaque;

    atomic_store(&machine->console_size, (uint32_t)columns << 16 | rows);
    if (!leave_to_hart(machine, WAITING_SIZE)) {
        machine__tell_console_size(machine);
    }
}

static void pause_hart(void *opaque)
{
    struct machine *machine = opaque;

    machine__call_hart(machine);
}

/* ---- The run ----------------------------------------------------------- */

/* RAM keeps what no image covers, as over a warm reset, and what was typed
 * waits for the new guest. */
static void reset_machine(struct machine *machine)
{
    Error *err = NULL;

    machine->reset_asked = false;
    tap_note(machine->tap, TRACE_RESET, 0, 0, NULL, 0);
    if (guest_write(machine->guest, machine->board, &err)) {
        fprintf(stderr, "xbar: %s\n", error_get_pretty(err));
        error_free(err);
        (void)machine__end(machine, STATUS_BAD_INPUT);
        return;
    }
    board_reset(machine->board);
    feed_input(machine, machine->console); /* the UART is empty now */
}

static void take_waiting(struct machine *machine)
{
    unsigned what = atomic_exchange(&machine->waiting, 0);

    if (what & WAITING_KEYS) {
        feed_uart(machine, machine->console);
    }
    if (what & WAITING_BREAK) {
        break_line(machine, atomic_load(&machine->break_key));
    }
    if (what & WAITING_SIZE) {
        machine__tell_console_size(machine);
    }
    if (what & WAITING_ALARM) {
        (void)board_poll_rtc(machine->board);
    }
    if (what & WAITING_DEVICE) {
        board_deliver(machine->board);
    }
}

/* libxbar starts no thread: what commits retired is freed here, if any. */
static void reclaim_retired(struct machine *machine)
{
    struct xbar_engine_stats stats;

    xbar_engine_get_stats(machine->board->engine, &stats);
    if (stats.commits != machine->commits_reclaimed) {
        machine->commits_reclaimed = stats.commits;
        (void)xbar_engine_reclaim(machine->board->engine);
    }
}

/* ---- What the monitor asks --------------------------------------------- */

static void answer(struct machine *machine, enum console_question question)
{
    switch (question) {
    case CONSOLE_INFO:
        info_print(machine->board, machine->guest,
                   console_is_held(machine->console), stderr);
        break;
    case CONSOLE_SNAPSHOT:
    case CONSOLE_RESTORE:
        machine__go_back(machine, question == CONSOLE_SNAPSHOT);
        break;
    case CONSOLE_QUIT:
        console_quit(machine->console, 0);
        return;
    default:
        if (xbar_mtree_print(&machine->board->memory, stderr)) {
            fputs("no memory for that\n", stderr);
        }
        break;
    }
    monitor_prompt(stderr);
}

/* While the monitor holds the machine, its clock stands still: also for what it
 * is asked meanwhile. */
static void rest(struct machine *machine)
{
    struct xbar_riscv_hart *hart = machine->board->hart;
    uint64_t time = xbar_riscv_time(hart);
    bool was_held = false;
    enum console_question question;

    do {
        question = console_rest(machine->console, &was_held);
        if (was_held && !machine->deterministic) {
            xbar_riscv_set_time(hart, time);
        }
        if (question != CONSOLE_NO_QUESTION) {
            answer(machine, question);
        }
        if (question == CONSOLE_RESTORE) {
            time = xbar_riscv_time(hart); /* it is another one */
        }
    } while (question != CONSOLE_NO_QUESTION);
}

static uint64_t instructions_of(const struct machine *machine)
{
    struct xbar_riscv_stats stats;

    xbar_riscv_get_stats(machine->board->hart, &stats);
    return stats.instructions;
}

static void tick_if_due(struct machine *machine)
{
    if (machine__is_sample_due(machine)) {
        double seconds = now_seconds(CLOCK_MONOTONIC) - machine->start;
        unsigned period_us =
            machine->config.tick(machine->config.observer.opaque, machine,
                                 (uint64_t)(seconds * 1e9));

        if (machine->progress.is_on) {
            progress_tick(&machine->progress, (uint64_t)(seconds * 1e9),
                          instructions_of(machine));
        }
        machine__ask_for_sample(machine, period_us);
    }
}

/*
 * Run until there is something to do. A deterministic slice is not over
 * because somebody looks on: what is done at its end comes at the same
 * instruction in every run.
 */
static void run_slice(struct machine *machine)
{
    uint64_t left = machine->deterministic ? DETERMINISTIC_SLICE : UINT64_MAX;
    bool goes_on;

    do {
        uint64_t before = machine->deterministic ? instructions_of(machine) : 0;
        enum xbar_riscv_exit exit = machine__run_hart(machine, left);

        if (exit == XBAR_RISCV_EXIT_MISMATCH) {
            (void)machine__end(machine, STATUS_MISMATCH);
        }
        tick_if_due(machine);
        goes_on = machine->deterministic &&
                  (machine->is_sampled || machine->gdb) &&
                  exit == XBAR_RISCV_EXIT_REQUEST && !machine->reset_asked &&
                  atomic_load(&machine->status) == STATUS_NONE;
        if (goes_on) {
            uint64_t done = instructions_of(machine) - before;

            left = done < left ? left - done : 0;
            rest(machine);
        }
    } while (goes_on && left > 0);
}

static int run_to_end(struct machine *machine)
{
    int status;

    for (;;) {
        run_slice(machine);
        status = atomic_load(&machine->status);
        if (status != STATUS_NONE) {
            return status;
        }
        if (machine->reset_asked) {
            reset_machine(machine);
        }
        if (machine->deterministic) {
            (void)board_poll_rtc(machine->board);
        }
        take_waiting(machine);
        rest(machine);
        reclaim_retired(machine);
    }
}

/* The text ends its last line itself. The console is ours again. */
static void report_mismatch(const struct machine *machine)
{
    const char *text = xbar_riscv_mismatch(machine->board->hart);

    if (text) {
        fflush(stdout);
        fprintf(stderr, "xbar: lockstep: the engines differ\n%s", text);
    }
}

/* All or none, behind the console, which blocks signals in them. */
static int start_threads(struct machine *machine, Error **errp)
{
    int ret = virtio_slots_start(machine->board->virtio);

    if (ret) {
        error_setg(errp, "the I/O thread cannot be started: %s",
                   strerror(-ret));
        return ret;
    }
    ret = machine__start_sampler(machine, errp);
    if (ret == 0 && machine->gdb) {
        ret = gdb_start(machine->gdb, errp);
    }
    if (ret) {
        machine__stop_sampler(machine);
        virtio_slots_stop(machine->board->virtio);
    }
    return ret;
}

int machine_run(struct machine *machine, struct machine_result *result,
                Error **errp)
{
    const struct console_host host = {
        .feed = feed_input,
        .poll = poll_console,
        .resize = resize_console,
        .power_down = power_down,
        .quit = machine__cut,
        .pause = pause_hart,
        .quits_on_ctrl_c = machine->config.is_watched,
        .has_room = note_console_room,
        .opaque = machine,
    };
    double start;
    double cpu_start;
    int ret = machine__open_gdb(machine, errp);

    if (ret) {
        return ret;
    }
    machine->console = console_start(&host, machine->is_muted, errp);
    ret = machine->console ? start_threads(machine, errp) : -EIO;
    if (ret) {
        console_stop(machine->console);
        machine__close_gdb(machine, ret);
        return ret;
    }
    if (!machine->deterministic) {
        xbar_riscv_set_time(machine->board->hart, 0); /* it may have waited */
    }
    start = now_seconds(CLOCK_MONOTONIC);
    machine->start = start;
    progress_start(&machine->progress, machine->config.is_watched);
    cpu_start = now_seconds(CLOCK_THREAD_CPUTIME_ID);
    result->status = run_to_end(machine);
    result->seconds = now_seconds(CLOCK_MONOTONIC) - start;
    result->cpu_seconds = now_seconds(CLOCK_THREAD_CPUTIME_ID) - cpu_start;
    machine__stop_sampler(machine);
    progress_end(&machine->progress);
    virtio_slots_stop(machine->board->virtio);
    console_stop(machine->console);
    machine->console = NULL;
    if (result->status == 0 && machine->power.is_asked) {
        result->status = 128 + SIGTERM; /* a guest does as it is told */
    }
    machine__close_gdb(machine, result->status);
    report_mismatch(machine);
    result->is_cut_short = machine->is_cut_short;
    xbar_riscv_get_stats(machine->board->hart, &result->stats);
    xbar_engine_get_stats(machine->board->engine, &result->memory);
    return 0;
}

/* ---- Making one -------------------------------------------------------- */

void machine_free(struct machine *machine)
{
    xbar_riscv_snapshot_drop(machine->kept);
    board_free(machine->board);
    free(machine);
}

struct machine *machine_new(const struct guest *guest,
                            const struct machine_config *config, Error **errp)
{
    struct machine *machine = calloc(1, sizeof(*machine));
    struct board_config board_config = {
        .ram_size = guest->ram_size,
        .execution = config->execution,
        .uart = { transmit_byte, note_uart_room, machine },
        .finisher = { finish_run, ask_reset, machine },
        .virtio = config->virtio,
        .virtio_console = { print_virtio, read_virtio, machine },
        .rtc_alarm_moved = note_alarm,
        .rtc_opaque = machine,
        .observer = config->observer,
        .tap = config->tap,
        .input_waits = note_device_waits,
        .input_opaque = machine,
    };

    if (!machine) {
        error_setg(errp, "no memory for the machine");
        return NULL;
    }
    machine->guest = guest;
    machine->deterministic = config->execution.deterministic;
    machine->is_muted = config->is_muted;
    machine->config = *config;
    machine->tap = config->tap;
    machine->power.host = (struct power_host){
        press_power,
        is_line_heard,
        send_break,
        machine,
    };
    atomic_init(&machine->status, STATUS_NONE);
    machine->board = board_new(&board_config, errp);
    if (!machine->board) {
        free(machine);
        return NULL;
    }
    if (guest_write(guest, machine->board, errp)) {
        machine_free(machine);
        return NULL;
    }
    return machine;
}

AddressSpace *machine_memory(struct machine *machine)
{
    return &machine->board->memory;
}

struct board *machine_board(struct machine *machine)
{
    return machine->board;
}

struct xbar_engine *machine_engine(struct machine *machine)
{
    return machine->board->engine;
}

const struct xbar_riscv_hart *machine_hart(const struct machine *machine)
{
    return machine->board->hart;
}
