/* SPDX-License-Identifier: MIT */
/*
 * ELF executables, parsed by libelf: loadable segments at their physical
 * addresses. libelf checks the tables against the file's size; what the
 * tables say about the file and about RAM is checked here.
 */
#include <errno.h>
#include <gelf.h>
#include <inttypes.h>
#include <libelf.h>

#include "image_internal.h"
#include "memmap.h"

static int reject(struct image *image, const char *reason, Error **errp)
{
    error_setg(errp, "%s: %s", image->name, reason);
    return -EINVAL;
}

/* The identification bytes come first: a foreign file is named as such. */
static int check_header(struct image *image, const uint8_t *bytes, size_t size,
                        const GElf_Ehdr *header, Error **errp)
{
    if (bytes[EI_CLASS] != ELFCLASS64) {
        return reject(image, "not a 64-bit ELF file", errp);
    }
    if (bytes[EI_DATA] != ELFDATA2LSB) {
        return reject(image, "not a little-endian ELF file", errp);
    }
    if (size < sizeof(Elf64_Ehdr) || !header) {
        return reject(image, "a truncated or damaged ELF file", errp);
    }
    if (header->e_machine != EM_RISCV) {
        return reject(image, "an ELF file for another machine, not RISC-V",
                      errp);
    }
    if (header->e_type != ET_EXEC && header->e_type != ET_DYN) {
        return reject(image, "an ELF file that is not executable", errp);
    }
    return 0;
}

/* libelf shows as many program headers as the file has room for: a table that
 * was cut would pass for a shorter one. */
static bool is_table_cut(size_t size, const GElf_Ehdr *header)
{
    return header->e_phnum &&
           (header->e_phoff > size ||
            (size - header->e_phoff) / sizeof(Elf64_Phdr) < header->e_phnum);
}

static int add_program_header(struct image *image, const uint8_t *bytes,
                              size_t size, const GElf_Phdr *phdr,
                              uint64_t ram_size, Error **errp)
{
    struct image_segment segment = { phdr->p_paddr, phdr->p_memsz, NULL,
                                     phdr->p_filesz };

    if (phdr->p_type != PT_LOAD || phdr->p_memsz == 0) {
        return 0;
    }
    if (phdr->p_filesz > phdr->p_memsz) {
        return reject(image, "an ELF segment holds more than its size", errp);
    }
    if (phdr->p_offset > size || phdr->p_filesz > size - phdr->p_offset) {
        return reject(image, "truncated: an ELF segment lies past its end",
                      errp);
    }
    segment.data = bytes + phdr->p_offset;
    return image__add_segment(image, segment, ram_size, errp);
}

static int add_program_headers(struct image *image, Elf *elf,
                               const uint8_t *bytes, size_t size,
                               uint64_t ram_size, Error **errp)
{
    size_t count;

    if (elf_getphdrnum(elf, &count)) {
        return reject(image, "a truncated or damaged ELF file", errp);
    }
    for (size_t i = 0; i < count; i++) {
        GElf_Phdr phdr;
        int ret;

        if (!gelf_getphdr(elf, (int)i, &phdr)) {
            return reject(image, "a truncated or damaged ELF file", errp);
        }
        ret = add_program_header(image, bytes, size, &phdr, ram_size, errp);
        if (ret) {
            return ret;
        }
    }
    if (!image->num_segments) {
        return reject(image, "an ELF file with nothing to load", errp);
    }
    return 0;
}

static int parse_elf(struct image *image, Elf *elf, const uint8_t *bytes,
                     size_t size, uint64_t ram_size, Error **errp)
{
    GElf_Ehdr ehdr;
    const GElf_Ehdr *header = gelf_getehdr(elf, &ehdr);
    int ret = check_header(image, bytes, size, header, errp);

    if (ret) {
        return ret;
    }
    if (is_table_cut(size, header)) {
        return reject(image, "truncated: the ELF program headers are cut",
                      errp);
    }
    image->entry = header->e_entry;
    return add_program_headers(image, elf, bytes, size, ram_size, errp);
}

int image__parse_elf(struct image *image, const uint8_t *bytes, size_t size,
                     uint64_t ram_size, Error **errp)
{
    Elf *elf;
    int ret;

    if (size < EI_NIDENT || elf_version(EV_CURRENT) == EV_NONE) {
        return reject(image, "a truncated or damaged ELF file", errp);
    }
    /* libelf does not write to an image that it was given for reading. */
    elf = elf_memory((char *)(uintptr_t)bytes, size);
    if (!elf) {
        return reject(image, "a truncated or damaged ELF file", errp);
    }
    ret = parse_elf(image, elf, bytes, size, ram_size, errp);
    elf_end(elf);
    return ret;
}
