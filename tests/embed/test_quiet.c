/* SPDX-License-Identifier: MIT */
/*
 * What a process notices of the library: no thread, no signal handler, no
 * output, no open file that is left behind. It is looked at while a machine
 * runs (from a device's callback) and after it has gone.
 */
#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <xbar/xbar.h>

#define RAM_BASE   0x80000000u
#define DEVICE     0x10000000u
#define SIGNALS    65
#define RAM_SIZE   0x10000u
#define GUEST_SIZE sizeof(guest)

/* lui t0, DEVICE; sw a1, 0(t0); lw a1, 0(t0); addi a1, a1, 1; a load where
 * nothing is, which traps to the start; it never gets to the last. */
static const uint32_t guest[] = {
    0x100002b7, 0x00b2a023, 0x0002a583, 0x00158593,
    0x20000337, 0x00033303, 0x0000006f,
};

struct process {
    unsigned threads;
    unsigned files;
    bool changed; /* a signal's disposition, or the mask */
};

static struct sigaction signals_before[SIGNALS];
static sigset_t mask_before;

static unsigned count_entries(const char *path)
{
    DIR *dir = opendir(path);
    unsigned count = 0;

    assert_non_null(dir);
    while (readdir(dir) != NULL) {
        count++;
    }
    closedir(dir);
    return count;
}

static void note_signals(void)
{
    for (int i = 1; i < SIGNALS; i++) {
        sigaction(i, NULL, &signals_before[i]);
    }
    sigprocmask(SIG_BLOCK, NULL, &mask_before);
}

static bool signals_changed(void)
{
    sigset_t mask;

    sigprocmask(SIG_BLOCK, NULL, &mask);
    for (int i = 1; i < SIGNALS; i++) {
        struct sigaction now;

        if (sigismember(&mask, i) != sigismember(&mask_before, i)) {
            return true;
        }
        if (sigaction(i, NULL, &now) == 0 &&
            (now.sa_flags != signals_before[i].sa_flags ||
             now.sa_sigaction != signals_before[i].sa_sigaction)) {
            return true;
        }
    }
    return false;
}

static void look(struct process *process)
{
    process->threads = count_entries("/proc/self/task");
    process->files = count_entries("/proc/self/fd");
    process->changed = signals_changed();
}

/* ---- A machine --------------------------------------------------------- */

struct machine {
    struct xbar_engine *engine;
    MemoryRegion root, ram, device;
    AddressSpace as;
    struct process process; /* as the device saw it last */
    unsigned writes;
};

static uint64_t device_read(void *opaque, hwaddr addr, unsigned size)
{
    (void)opaque, (void)size;
    return addr;
}

static void device_write(void *opaque, hwaddr addr, uint64_t data,
                         unsigned size)
{
    struct machine *m = opaque;

    (void)addr, (void)data, (void)size;
    m->writes++;
    if (m->writes % 1000 == 1) {
        look(&m->process);
    }
}

static const MemoryRegionOps device_ops = {
    .read = device_read,
    .write = device_write,
};

static void make_machine(struct machine *m)
{
    memset(m, 0, sizeof(*m));
    m->engine = xbar_engine_new(NULL);
    assert_non_null(m->engine);
    assert_int_equal(xbar_engine_enter(m->engine), 0);
    assert_int_equal(memory_region_init(&m->root, NULL, "root", UINT64_MAX), 0);
    assert_true(memory_region_init_ram(&m->ram, NULL, "ram", RAM_SIZE, NULL) ==
                0);
    assert_int_equal(memory_region_init_io(&m->device, NULL, &device_ops, m,
                                           "device", 0x1000),
                     0);
    memory_region_add_subregion(&m->root, RAM_BASE, &m->ram);
    memory_region_add_subregion(&m->root, DEVICE, &m->device);
    assert_int_equal(address_space_init(&m->as, &m->root, "memory"), 0);
    assert_int_equal(address_space_write(&m->as, RAM_BASE,
                                         MEMTXATTRS_UNSPECIFIED, guest,
                                         GUEST_SIZE),
                     MEMTX_OK);
}

static void end_machine(struct machine *m)
{
    address_space_destroy(&m->as);
    assert_int_equal(xbar_region_destroy(&m->device, NULL, NULL), 0);
    assert_int_equal(xbar_region_destroy(&m->ram, NULL, NULL), 0);
    assert_int_equal(xbar_region_destroy(&m->root, NULL, NULL), 0);
    assert_int_equal(xbar_engine_leave(m->engine), 0);
    assert_int_equal(xbar_engine_free(m->engine), 0);
}

static void run_guest(struct machine *m, enum xbar_riscv_engine engine)
{
    const struct xbar_riscv_config config = {
        .as = &m->as,
        .reset_pc = RAM_BASE,
        .translate_after = 1,
    };
    struct xbar_riscv_hart *hart = xbar_riscv_new(&config);

    assert_non_null(hart);
    assert_int_equal(xbar_riscv_set_engine(hart, engine), 0);
    assert_int_equal(xbar_riscv_set_csr(hart, 0x305, RAM_BASE), 0); /* mtvec */
    assert_int_equal(xbar_riscv_run(hart, 60000), XBAR_RISCV_EXIT_BUDGET);
    xbar_riscv_free(hart);
}

/* What a caller may do wrong: answered, not told to anybody. */
static void make_mistakes(struct machine *m)
{
    MemoryRegion again;
    MemTxResult result;

    assert_int_not_equal(memory_region_add_subregion(&m->root, 0, &m->ram), 0);
    assert_int_not_equal(memory_region_add_subregion(&m->ram, 0, &m->root), 0);
    assert_int_not_equal(
        memory_region_init_alias(&again, NULL, "alias", NULL, 0, 16), 0);
    assert_int_equal(xbar_engine_free(m->engine), -EBUSY);
    address_space_ldl(&m->as, 0x20000000, MEMTXATTRS_UNSPECIFIED, &result);
    assert_int_equal(result, MEMTX_DECODE_ERROR);
    assert_int_equal(xbar_engine_leave(NULL), -EINVAL);
    xbar_log(XBAR_LOG_GUEST_ERROR, "nobody listens");
}

/* ---- Tests ------------------------------------------------------------- */

struct output {
    FILE *file;
    int saved[2];
};

static void divert_output(struct output *output)
{
    fflush(NULL);
    output->file = tmpfile();
    assert_non_null(output->file);
    for (int fd = 1; fd <= 2; fd++) {
        output->saved[fd - 1] = dup(fd);
        dup2(fileno(output->file), fd);
    }
}

/* Returns how much was written meanwhile. */
static off_t restore_output(struct output *output)
{
    struct stat stat = { 0 };

    fflush(stdout);
    for (int fd = 1; fd <= 2; fd++) {
        dup2(output->saved[fd - 1], fd);
        close(output->saved[fd - 1]);
    }
    fstat(fileno(output->file), &stat);
    fclose(output->file);
    return stat.st_size;
}

static void test_nothing_is_noticed(void **state)
{
    static const enum xbar_riscv_engine engines[] = { XBAR_RISCV_INTERP,
                                                      XBAR_RISCV_JIT };
    struct process before, after;
    struct output output;
    off_t written;

    (void)state;
    note_signals();
    look(&before);
    for (unsigned i = 0; i < 2; i++) {
        struct machine m;

        if (engines[i] == XBAR_RISCV_JIT && !xbar_riscv_has_jit()) {
            continue;
        }
        make_machine(&m);
        divert_output(&output);
        make_mistakes(&m);
        run_guest(&m, engines[i]);
        written = restore_output(&output);
        assert_int_equal(written, 0);
        assert_true(m.writes > 1000);
        assert_int_equal(m.process.threads, before.threads);
        assert_false(m.process.changed);
        end_machine(&m);
    }
    look(&after);
    assert_int_equal(after.threads, before.threads);
    assert_int_equal(after.files, before.files);
    assert_false(after.changed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_noticed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
