/* SPDX-License-Identifier: MIT */
/*
 * Input and output are anonymous files, not pipes: neither side can block on
 * the other, and no thread is needed.
 */
#include "tests/guest/oracle.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define CPU_SECONDS 120

/* Exactly the extensions that xbar has: the rest must be illegal there, too.
 * qemu-riscv64 7.2 does not know Zicond: see insn_row_has_oracle(). */
#define ORACLE_CPU "rv64,zba=true,zbb=true,zbc=false,zbs=true"

const char *oracle_missing(const char *program)
{
    static const char *const places[] = { "/usr/bin/qemu-riscv64",
                                          "/usr/local/bin/qemu-riscv64" };

    if (program[0] == '\0' || access(program, X_OK) != 0) {
        return "no riscv64-linux-gnu-gcc when this was configured";
    }
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        if (access(places[i], X_OK) == 0) {
            return NULL;
        }
    }
    return "no qemu-riscv64 (package qemu-user)";
}

static int write_all(int fd, const void *data, size_t size)
{
    const char *from = data;

    while (size > 0) {
        ssize_t n = write(fd, from, size);

        if (n < 0) {
            return -1;
        }
        from += n;
        size -= (size_t)n;
    }
    return lseek(fd, 0, SEEK_SET) == 0 ? 0 : -1;
}

static int read_all(int fd, void *data, size_t size)
{
    struct stat status;
    char *to = data;

    if (fstat(fd, &status) != 0 || (size_t)status.st_size != size) {
        fprintf(stderr, "oracle: %lld bytes came back, not %zu\n",
                (long long)status.st_size, size);
        return -1;
    }
    for (size_t done = 0; done < size;) {
        ssize_t n = pread(fd, to + done, size - done, (off_t)done);

        if (n <= 0) {
            return -1;
        }
        done += (size_t)n;
    }
    return 0;
}

static _Noreturn void execute(const char *program, int in, int out)
{
    struct rlimit limit = { CPU_SECONDS, CPU_SECONDS };

    if (setrlimit(RLIMIT_CPU, &limit) == 0 && dup2(in, 0) == 0 &&
        dup2(out, 1) == 1) {
        execlp("qemu-riscv64", "qemu-riscv64", "-cpu", ORACLE_CPU, program,
               (char *)NULL);
    }
    _exit(127);
}

static int run(const char *program, int in, int out)
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        execute(program, in, out);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid) {
        return -1;
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        fprintf(stderr, "oracle: %s ended with status 0x%x\n", program,
                (unsigned)status);
        return -1;
    }
    return 0;
}

int oracle_run(const char *program, const void *in, size_t in_size, void *out,
               size_t out_size)
{
    int in_fd = memfd_create("oracle-in", MFD_CLOEXEC);
    int out_fd = memfd_create("oracle-out", MFD_CLOEXEC);
    int result = -1;

    if (in_fd >= 0 && out_fd >= 0 && write_all(in_fd, in, in_size) == 0 &&
        run(program, in_fd, out_fd) == 0) {
        result = read_all(out_fd, out, out_size);
    }
    if (in_fd >= 0) {
        close(in_fd);
    }
    if (out_fd >= 0) {
        close(out_fd);
    }
    return result;
}
