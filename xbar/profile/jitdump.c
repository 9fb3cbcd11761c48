/* SPDX-License-Identifier: MIT */
#include "jitdump.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "file.h"
#include "host_clock.h"

#define MAGIC     0x4a695444 /* "JiTD" */
#define VERSION   1
#define CODE_LOAD 0

/* As perf's specification draws them. */
struct dump_header {
    uint32_t magic;
    uint32_t version;
    uint32_t size;
    uint32_t machine;
    uint32_t pad;
    uint32_t pid;
    uint64_t time;
    uint64_t flags;
};

struct dump_load {
    uint32_t id;
    uint32_t size; /* of the record, with name and code */
    uint64_t time;
    uint32_t pid;
    uint32_t tid;
    uint64_t vma;
    uint64_t address;
    uint64_t code_size;
    uint64_t index;
};

_Static_assert(sizeof(struct dump_header) == 40, "of the format");
_Static_assert(sizeof(struct dump_load) == 56, "of the format");

/* The machine that this program runs on. */
static uint32_t host_machine(void)
{
    Elf64_Ehdr header = { .e_machine = EM_NONE };
    FILE *self = fopen("/proc/self/exe", "rb");

    if (self) {
        if (fread(&header, sizeof(header), 1, self) != 1) {
            header.e_machine = EM_NONE;
        }
        fclose(self);
    }
    return header.e_machine;
}

/* perf record sees files that are mapped to be executed. If it cannot be, perf
 * will not find it by itself. */
static void *map_mark(FILE *file)
{
    void *mark = mmap(NULL, (size_t)sysconf(_SC_PAGESIZE),
                      PROT_READ | PROT_EXEC, MAP_PRIVATE, fileno(file), 0);

    return mark == MAP_FAILED ? NULL : mark;
}

static void put(struct jitdump *dump, const void *bytes, size_t size)
{
    if (!dump->error && fwrite(bytes, size, 1, dump->file) != 1) {
        dump->error = errno;
    }
}

int jitdump_open(struct jitdump *dump, const char *dir, Error **errp)
{
    struct dump_header header = { .magic = MAGIC,
                                  .version = VERSION,
                                  .size = sizeof(header),
                                  .machine = host_machine(),
                                  .pid = (uint32_t)getpid(),
                                  .time = host_clock_ns(CLOCK_MONOTONIC) };

    *dump = (struct jitdump){ .start = header.time };
    if (asprintf(&dump->path, "%s/jit-%ld.dump", dir, (long)getpid()) < 0) {
        dump->path = NULL;
        error_setg(errp, "no memory for a dump");
        return -ENOMEM;
    }
    dump->file = fopen(dump->path, "w+b");
    if (!dump->file) {
        int error = errno;

        error_setg(errp, "%s: %s", dump->path, strerror(error));
        free(dump->path);
        return -error;
    }
    put(dump, &header, sizeof(header));
    if (!dump->error && fflush(dump->file)) {
        dump->error = errno;
    }
    if (dump->error) {
        return jitdump_close(dump, errp);
    }
    dump->mark = map_mark(dump->file);
    return 0;
}

/* Samples of before a block was made are of another one, or of none: here all
 * are said to be as old as the file, as most of them live to the end. */
void jitdump_add(struct jitdump *dump, const struct xbar_riscv_block *block,
                 const char *name)
{
    uint32_t name_size = (uint32_t)strlen(name) + 1;
    struct dump_load load = {
        .id = CODE_LOAD,
        .size = (uint32_t)sizeof(load) + name_size + block->code_size,
        .time = dump->start,
        .pid = (uint32_t)getpid(),
        .tid = (uint32_t)getpid(),
        .vma = (uintptr_t)block->code,
        .address = (uintptr_t)block->code,
        .code_size = block->code_size,
        .index = dump->index,
    };

    if (!block->code_size) {
        return;
    }
    dump->index++;
    put(dump, &load, sizeof(load));
    put(dump, name, name_size);
    put(dump, block->code, block->code_size);
}

int jitdump_close(struct jitdump *dump, Error **errp)
{
    int error = dump->error;

    if (!dump->file) {
        return 0;
    }
    if (dump->mark) {
        munmap(dump->mark, (size_t)sysconf(_SC_PAGESIZE));
    }
    if (fclose(dump->file) && !error) {
        error = errno;
    }
    if (error) {
        file_remove_part(dump->path);
        error_setg(errp, "%s: %s", dump->path, strerror(error));
    }
    free(dump->path);
    *dump = (struct jitdump){ .file = NULL };
    return -error;
}
