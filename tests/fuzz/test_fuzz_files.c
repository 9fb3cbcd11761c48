/* SPDX-License-Identifier: MIT */
/*
 * The fuzz target without a fuzzer: sound files of each kind, of which some
 * bytes are changed, or the end is cut off. XBAR_FUZZ_INPUTS sets how many;
 * XBAR_FUZZ_SEED where to start.
 */
#include "tests/fuzz/fuzz_target.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <elf.h>
#include <libfdt.h>

#include "tests/fuzz/numbers.h"
#include "trace/encoder.h"

#define DEFAULT_INPUTS 40000
#define MAX_SIZE       2048

struct file {
    uint8_t bytes[MAX_SIZE]; /* the kind, then what it is */
    size_t size;
};

/* Of two segments and two names. */
struct elf {
    Elf64_Ehdr header;
    Elf64_Phdr segments[2];
    Elf64_Shdr sections[3];
    Elf64_Sym symbols[3];
    char names[16];
    uint8_t code[16];
};

static void make_elf(struct file *file, uint8_t kind)
{
    const size_t code = offsetof(struct elf, code);
    struct elf elf = {
        .header = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB,
                                 EV_CURRENT },
                    .e_type = ET_EXEC,
                    .e_machine = EM_RISCV,
                    .e_version = EV_CURRENT,
                    .e_entry = 0x80000000,
                    .e_phoff = offsetof(struct elf, segments),
                    .e_shoff = offsetof(struct elf, sections),
                    .e_ehsize = sizeof(Elf64_Ehdr),
                    .e_phentsize = sizeof(Elf64_Phdr),
                    .e_phnum = 2,
                    .e_shentsize = sizeof(Elf64_Shdr),
                    .e_shnum = 3 },
        .names = "\0first\0second",
    };

    for (unsigned i = 0; i < 2; i++) {
        elf.segments[i] = (Elf64_Phdr){ .p_type = PT_LOAD,
                                        .p_flags = PF_R | PF_X,
                                        .p_offset = code + 8 * i,
                                        .p_vaddr = 0x80000000 + 0x1000 * i,
                                        .p_paddr = 0x80000000 + 0x1000 * i,
                                        .p_filesz = 8,
                                        .p_memsz = 8 + 16 * i };
        elf.symbols[1 + i] = (Elf64_Sym){ .st_name = 1 + 6 * i,
                                          .st_info = STT_FUNC,
                                          .st_shndx = 1,
                                          .st_value = 0x80000000 + 0x1000 * i,
                                          .st_size = 8 };
    }
    elf.sections[1] = (Elf64_Shdr){ .sh_type = SHT_SYMTAB,
                                    .sh_offset = offsetof(struct elf, symbols),
                                    .sh_size = sizeof(elf.symbols),
                                    .sh_link = 2,
                                    .sh_entsize = sizeof(Elf64_Sym) };
    elf.sections[2] = (Elf64_Shdr){ .sh_type = SHT_STRTAB,
                                    .sh_offset = offsetof(struct elf, names),
                                    .sh_size = sizeof(elf.names) };
    file->bytes[0] = kind;
    memcpy(&file->bytes[1], &elf, sizeof(elf));
    file->size = 1 + sizeof(elf);
}

static void make_tree(struct file *file)
{
    static _Alignas(8) uint8_t tree[MAX_SIZE - 1];
    int bus, node;

    assert_int_equal(fdt_create_empty_tree(tree, sizeof(tree)), 0);
    assert_int_equal(fdt_setprop_u32(tree, 0, "#address-cells", 2), 0);
    assert_int_equal(fdt_setprop_u32(tree, 0, "#size-cells", 2), 0);
    node = fdt_add_subnode(tree, 0, "memory@80000000");
    assert_int_equal(fdt_setprop_string(tree, node, "device_type", "memory"),
                     0);
    assert_int_equal(fdt_setprop_u64(tree, node, "reg", UINT64_C(0x80000000)) |
                         fdt_appendprop_u64(tree, node, "reg", 0x100000),
                     0);
    bus = fdt_add_subnode(tree, 0, "soc");
    assert_int_equal(fdt_setprop(tree, bus, "ranges", NULL, 0), 0);
    assert_int_equal(fdt_setprop_u32(tree, bus, "#address-cells", 2), 0);
    assert_int_equal(fdt_setprop_u32(tree, bus, "#size-cells", 2), 0);
    node = fdt_add_subnode(tree, bus, "uart@10000000");
    assert_int_equal(fdt_setprop_u64(tree, node, "reg", 0x10000000) |
                         fdt_appendprop_u64(tree, node, "reg", 0x100),
                     0);
    assert_int_equal(fdt_pack(tree), 0);
    file->bytes[0] = 3;
    memcpy(&file->bytes[1], tree, fdt_totalsize(tree));
    file->size = 1 + fdt_totalsize(tree);
}

static uint8_t *take_block(void *opaque, size_t size)
{
    struct file *file = opaque;

    assert_in_range(size, 1, MAX_SIZE - 1);
    file->size = 1 + size;
    return &file->bytes[1];
}

static void make_block(struct file *file)
{
    static uint8_t block[TRACE_BLOCK_SIZE];
    const uint64_t board[] = { 1 << 20, 10000000, 0 };
    const uint64_t region[] = { 0x10000000, 0x1000 };
    struct trace_encoder encoder;
    uint64_t end[2];

    assert_int_equal(trace_encoder_init(&encoder, block, take_block, file), 0);
    trace_put(&encoder, TRACE_BOARD, 0, board, "a guest", 7);
    trace_put(&encoder, TRACE_REGION, 0, region, "uart", 4);
    for (unsigned i = 0; i < 40; i++) {
        const struct trace_site site = { .size = (uint8_t)(1 << i % 4),
                                         .pc = 0x80000000 + 4 * (i % 9),
                                         .offset = 8 * (i % 7) };

        trace_put_access(&encoder, 100 * i, &site, i);
    }
    end[0] = encoder.accesses;
    end[1] = encoder.inputs;
    trace_put(&encoder, TRACE_END, encoder.ns, end, NULL, 0);
    trace_encoder_flush(&encoder);
    trace_encoder_end(&encoder);
    file->bytes[0] = 1;
    memcpy(&file->bytes[1], block, file->size - 1);
}

static void damage(struct file *file, uint64_t *random)
{
    static const uint8_t values[] = { 0, 1, 0x7f, 0x80, 0xff };

    for (uint64_t left = next_random(random) % 6; left != 0; left--) {
        uint8_t *byte =
            &file->bytes[1 + next_random(random) % (file->size - 1)];
        uint64_t how = next_random(random);

        *byte = how % 2 ? values[how / 2 % sizeof(values)]
                        : (uint8_t)(*byte ^ 1u << how / 2 % 8);
    }
    if (next_random(random) % 8 == 0) {
        file->size = 1 + (size_t)(next_random(random) % file->size);
    }
}

static void make_files(struct file files[4])
{
    make_elf(&files[0], 0);
    make_block(&files[1]);
    make_elf(&files[2], 2);
    make_tree(&files[3]);
}

static void test_sound_files(void **state)
{
    static struct file files[4];

    (void)state;
    make_files(files);
    for (unsigned kind = 0; kind < 4; kind++) {
        assert_int_equal(files[kind].bytes[0], kind);
        assert_true(fuzz_read_file(files[kind].bytes, files[kind].size));
    }
}

static void test_damaged_files(void **state)
{
    uint64_t first = number_from("XBAR_FUZZ_SEED", 1);
    uint64_t count = number_from("XBAR_FUZZ_INPUTS", DEFAULT_INPUTS);
    static struct file files[4];
    uint64_t good[4] = { 0 };

    (void)state;
    make_files(files);
    for (uint64_t seed = first; seed < first + count; seed++) {
        struct file file = files[seed % 4];
        uint64_t random = seed;

        damage(&file, &random);
        good[seed % 4] += fuzz_read_file(file.bytes, file.size);
    }
    for (unsigned kind = 0; kind < 4 && count >= DEFAULT_INPUTS; kind++) {
        print_message("kind %u: %" PRIu64 " of %" PRIu64 " are sound\n", kind,
                      good[kind], count / 4);
        assert_in_range(good[kind], count / 80, count / 4 - count / 40);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sound_files),
        cmocka_unit_test(test_damaged_files),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
