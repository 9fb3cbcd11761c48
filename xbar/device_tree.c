/* SPDX-License-Identifier: MIT */
/*
 * Made with libfdt's sequential writer, node by node:
 *
 *   /  chosen  memory@80000000  poweroff  reboot
 *      cpus/cpu@0/interrupt-controller <------+
 *      soc/  test@100000 <-- poweroff, reboot |
 *            rtc@101000 ----+                 |
 *            clint@2000000 -|-----------------+
 *            plic@c000000 <-+-----------------+
 *            serial@10000000, virtio_mmio@1000?000 (irq to the plic)
 *
 * Errors stick: libfdt refuses to go on after a failed step, so a step's
 * result is or-ed into one, and the end looks at that. A buffer that was too
 * small is doubled and the whole tree made anew.
 */
#include "device_tree.h"

#include <errno.h>
#include <inttypes.h>
#include <libfdt.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "memmap.h"
#include "plic.h"
#include "virtio/config.h"

#define TREE_FIRST_SIZE 4096
#define TREE_MAX_SIZE   (64 * 1024 * 1024)
#define TREE_FILE_MAX   (16 * 1024 * 1024)
#define CHOSEN_ROOM     256 /* for the properties that are added there */

enum phandle {
    PHANDLE_CPU_INTC = 1,
    PHANDLE_TEST = 2,
    PHANDLE_PLIC = 3,
};

/* A tree in the making, and the first error, if any. */
struct tree {
    void *fdt;
    int error;
};

/* ---- Steps ------------------------------------------------------------- */

static void note(struct tree *tree, int error)
{
    if (!tree->error) {
        tree->error = error;
    }
}

static void begin_node(struct tree *tree, const char *name)
{
    note(tree, fdt_begin_node(tree->fdt, name));
}

static void end_node(struct tree *tree)
{
    note(tree, fdt_end_node(tree->fdt));
}

static void put_bytes(struct tree *tree, const char *name, const void *bytes,
                      size_t size)
{
    note(tree, fdt_property(tree->fdt, name, bytes, (int)size));
}

static void put_flag(struct tree *tree, const char *name)
{
    put_bytes(tree, name, NULL, 0);
}

static void put_text(struct tree *tree, const char *name, const char *text)
{
    put_bytes(tree, name, text, strlen(text) + 1);
}

/* A list of strings, given as one literal with NULs between them. */
#define put_texts(tree, name, literal) \
    put_bytes(tree, name, literal, sizeof(literal))

static void put_cells(struct tree *tree, const char *name,
                      const uint32_t *cells, unsigned count)
{
    fdt32_t raw[8];

    for (unsigned i = 0; i < count; i++) {
        raw[i] = cpu_to_fdt32(cells[i]);
    }
    put_bytes(tree, name, raw, count * sizeof(raw[0]));
}

static void put_cell(struct tree *tree, const char *name, uint32_t cell)
{
    put_cells(tree, name, &cell, 1);
}

/* A pair of 64-bit numbers: two address cells, two size cells. */
static void put_reg(struct tree *tree, uint64_t base, uint64_t size)
{
    fdt64_t raw[2] = { cpu_to_fdt64(base), cpu_to_fdt64(size) };

    put_bytes(tree, "reg", raw, sizeof(raw));
}

static void put_cell_counts(struct tree *tree, uint32_t address, uint32_t size)
{
    put_cell(tree, "#address-cells", address);
    put_cell(tree, "#size-cells", size);
}

static void put_interrupt(struct tree *tree, uint32_t source)
{
    put_cell(tree, "interrupt-parent", PHANDLE_PLIC);
    put_cell(tree, "interrupts", source);
}

/* ---- Nodes ------------------------------------------------------------- */

static void put_chosen(struct tree *tree,
                       const struct device_tree_values *values)
{
    begin_node(tree, "chosen");
    put_text(tree, "stdout-path", "/soc/serial@10000000");
    if (values->bootargs) {
        put_text(tree, "bootargs", values->bootargs);
    }
    if (values->initrd_end) {
        fdt64_t first = cpu_to_fdt64(values->initrd_first);
        fdt64_t end = cpu_to_fdt64(values->initrd_end);

        put_bytes(tree, "linux,initrd-start", &first, sizeof(first));
        put_bytes(tree, "linux,initrd-end", &end, sizeof(end));
    }
    end_node(tree);
}

static void put_memory(struct tree *tree, uint64_t ram_size)
{
    begin_node(tree, "memory@80000000");
    put_text(tree, "device_type", "memory");
    put_reg(tree, RAM_BASE, ram_size);
    end_node(tree);
}

/* In the order that the old property wants them: by category, then by name. */
/* clang-format off */
#define MULTI_LETTER(_) \
    _("zicbom") _("zicboz") _("zicntr") _("zicond") _("zicsr") _("zifencei") \
    _("zba") _("zbb") _("zbs") \
    _("sstc") _("svadu") _("svinval")
/* clang-format on */
#define AS_SUFFIX(name) "_" name
#define AS_STRING(name) "\0" name

/*
 * The ISA is given twice: the old property for U-Boot and OpenSBI 1.1, the
 * pair that replaces it for OpenSBI 1.6 and Linux. Svadu without Svade says
 * that page-table walks set A and D from the start.
 */
static void put_cpus(struct tree *tree)
{
    begin_node(tree, "cpus");
    put_cell_counts(tree, 1, 0);
    put_cell(tree, "timebase-frequency", TIMEBASE_HZ);

    begin_node(tree, "cpu@0");
    put_text(tree, "device_type", "cpu");
    put_cell(tree, "reg", 0);
    put_text(tree, "status", "okay");
    put_text(tree, "compatible", "riscv");
    put_text(tree, "riscv,isa", "rv64imafdc" MULTI_LETTER(AS_SUFFIX));
    put_text(tree, "riscv,isa-base", "rv64i");
    put_texts(tree, "riscv,isa-extensions",
              "i\0m\0a\0f\0d\0c" MULTI_LETTER(AS_STRING));
    put_cell(tree, "riscv,cbom-block-size", CACHE_BLOCK_SIZE);
    put_cell(tree, "riscv,cboz-block-size", CACHE_BLOCK_SIZE);
    put_text(tree, "mmu-type", "riscv,sv48");

    begin_node(tree, "interrupt-controller");
    put_text(tree, "compatible", "riscv,cpu-intc");
    put_flag(tree, "interrupt-controller");
    put_cell(tree, "#interrupt-cells", 1);
    put_cell(tree, "#address-cells", 0);
    put_cell(tree, "phandle", PHANDLE_CPU_INTC);
    end_node(tree);

    end_node(tree);
    end_node(tree);
}

/* OpenSBI 1.6 and Linux write @value to the finisher through these nodes. */
static void put_syscon(struct tree *tree, const char *name,
                       const char *compatible, uint32_t value)
{
    begin_node(tree, name);
    put_text(tree, "compatible", compatible);
    put_cell(tree, "regmap", PHANDLE_TEST);
    put_cell(tree, "offset", 0);
    put_cell(tree, "value", value);
    end_node(tree);
}

static void put_test(struct tree *tree)
{
    begin_node(tree, "test@100000");
    put_texts(tree, "compatible", "sifive,test1\0sifive,test0\0syscon");
    put_reg(tree, FINISHER_BASE, FINISHER_SIZE);
    put_cell(tree, "phandle", PHANDLE_TEST);
    end_node(tree);
}

static void put_rtc(struct tree *tree)
{
    begin_node(tree, "rtc@101000");
    put_text(tree, "compatible", "google,goldfish-rtc");
    put_reg(tree, RTC_BASE, RTC_SIZE);
    put_interrupt(tree, RTC_IRQ);
    end_node(tree);
}

/* Pairs (interrupt controller, line); the lines are mip bits. */
static void put_hart_lines(struct tree *tree, enum xbar_riscv_irq first,
                           enum xbar_riscv_irq second)
{
    const uint32_t cells[] = { PHANDLE_CPU_INTC, first, PHANDLE_CPU_INTC,
                               second };

    put_cells(tree, "interrupts-extended", cells, 4);
}

static void put_aclint(struct tree *tree)
{
    begin_node(tree, "clint@2000000");
    put_texts(tree, "compatible", "sifive,clint0\0riscv,clint0");
    put_reg(tree, ACLINT_BASE, ACLINT_SIZE);
    put_hart_lines(tree, XBAR_RISCV_IRQ_M_SOFT, XBAR_RISCV_IRQ_M_TIMER);
    end_node(tree);
}

/* The order of the lines is the order of the contexts. */
static void put_plic(struct tree *tree)
{
    begin_node(tree, "plic@c000000");
    put_texts(tree, "compatible", "sifive,plic-1.0.0\0riscv,plic0");
    put_reg(tree, PLIC_BASE, PLIC_SIZE);
    put_hart_lines(tree, XBAR_RISCV_IRQ_M_EXT, XBAR_RISCV_IRQ_S_EXT);
    put_flag(tree, "interrupt-controller");
    put_cell(tree, "#interrupt-cells", 1);
    put_cell(tree, "#address-cells", 0);
    put_cell(tree, "riscv,ndev", PLIC_SOURCES);
    put_cell(tree, "phandle", PHANDLE_PLIC);
    end_node(tree);
}

static void put_serial(struct tree *tree)
{
    begin_node(tree, "serial@10000000");
    put_text(tree, "compatible", "ns16550a");
    put_reg(tree, UART_BASE, UART_DT_SIZE);
    put_cell(tree, "clock-frequency", 3686400);
    put_interrupt(tree, UART_IRQ);
    end_node(tree);
}

/* All slots, from the one down that the first device gets; empty ones say so
 * themselves. */
static void put_virtio(struct tree *tree)
{
    for (int i = VIRTIO_SLOTS - 1; i >= 0; i--) {
        uint64_t base = VIRTIO_BASE + (unsigned)i * VIRTIO_STRIDE;
        char name[32];

        snprintf(name, sizeof(name), "virtio_mmio@%" PRIx64, base);
        begin_node(tree, name);
        put_text(tree, "compatible", "virtio,mmio");
        put_reg(tree, base, VIRTIO_STRIDE);
        put_interrupt(tree, VIRTIO_IRQ + (unsigned)i);
        end_node(tree);
    }
}

static void put_soc(struct tree *tree)
{
    begin_node(tree, "soc");
    put_cell_counts(tree, 2, 2);
    put_text(tree, "compatible", "simple-bus");
    put_flag(tree, "ranges");
    put_test(tree);
    put_rtc(tree);
    put_aclint(tree);
    put_plic(tree);
    put_serial(tree);
    put_virtio(tree);
    end_node(tree);
}

static void put_root(struct tree *tree, const struct device_tree_values *values)
{
    begin_node(tree, "");
    put_cell_counts(tree, 2, 2);
    put_text(tree, "compatible", "riscv-virtio");
    put_text(tree, "model", "riscv-virtio,qemu");
    put_chosen(tree, values);
    put_memory(tree, values->ram_size);
    put_cpus(tree);
    put_syscon(tree, "poweroff", "syscon-poweroff", 0x5555);
    put_syscon(tree, "reboot", "syscon-reboot", 0x7777);
    put_soc(tree);
    end_node(tree);
}

/* ---- Whole trees ------------------------------------------------------- */

/* Return: 0, or libfdt's first complaint. */
static int make_in(void *buf, size_t size,
                   const struct device_tree_values *values)
{
    struct tree tree = { buf, 0 };

    note(&tree, fdt_create(buf, (int)size));
    note(&tree, fdt_finish_reservemap(buf));
    put_root(&tree, values);
    note(&tree, fdt_finish(buf));
    return tree.error;
}

int device_tree_make(const struct device_tree_values *values, void **blob,
                     size_t *size, Error **errp)
{
    for (size_t room = TREE_FIRST_SIZE; room <= TREE_MAX_SIZE; room *= 2) {
        void *buf = malloc(room);

        if (!buf) {
            break;
        }
        if (make_in(buf, room, values) == 0) {
            *blob = buf;
            *size = fdt_totalsize(buf);
            return 0;
        }
        free(buf);
    }
    error_setg(errp, "no memory for the device tree");
    return -ENOMEM;
}

/* Complete /chosen as a loader does. Return: 0, or libfdt's complaint. */
static int complete_chosen(void *fdt, const struct device_tree_values *values)
{
    int chosen = fdt_path_offset(fdt, "/chosen");
    int ret = 0;

    if (chosen < 0) {
        chosen = fdt_add_subnode(fdt, 0, "chosen");
    }
    if (chosen < 0) {
        return chosen;
    }
    if (values->bootargs) {
        ret = fdt_setprop_string(fdt, chosen, "bootargs", values->bootargs);
    }
    if (ret == 0 && values->initrd_end) {
        ret = fdt_setprop_u64(fdt, chosen, "linux,initrd-start",
                              values->initrd_first);
    }
    if (ret == 0 && values->initrd_end) {
        ret = fdt_setprop_u64(fdt, chosen, "linux,initrd-end",
                              values->initrd_end);
    }
    return ret;
}

/* Copy the tree in @bytes into @buf, which is @room large, and complete it. */
static int adopt_in(void *buf, size_t room, const uint8_t *bytes,
                    const struct device_tree_values *values)
{
    int ret = fdt_open_into(bytes, buf, (int)room);

    if (ret == 0) {
        ret = complete_chosen(buf, values);
    }
    return ret ? ret : fdt_pack(buf);
}

static int adopt_bytes(const char *path, const uint8_t *bytes, size_t have,
                       const struct device_tree_values *values, void **blob,
                       size_t *size, Error **errp)
{
    size_t args = values->bootargs ? strlen(values->bootargs) : 0;
    size_t room = have + args + CHOSEN_ROOM;
    int ret = fdt_check_full(bytes, have);
    void *buf;

    if (ret) {
        error_setg(errp, "%s: not a device tree (%s)", path, fdt_strerror(ret));
        return -EINVAL;
    }
    buf = malloc(room);
    if (!buf) {
        error_setg(errp, "%s: no memory for the device tree", path);
        return -ENOMEM;
    }
    ret = adopt_in(buf, room, bytes, values);
    if (ret) {
        free(buf);
        error_setg(errp, "%s: cannot be completed (%s)", path,
                   fdt_strerror(ret));
        return -EINVAL;
    }
    *blob = buf;
    *size = fdt_totalsize(buf);
    return 0;
}

int device_tree_adopt(const char *path, const struct device_tree_values *values,
                      void **blob, size_t *size, Error **errp)
{
    uint8_t *bytes;
    size_t have;
    int ret = file_read(path, TREE_FILE_MAX, &bytes, &have, errp);

    if (ret) {
        return ret;
    }
    ret = adopt_bytes(path, bytes, have, values, blob, size, errp);
    free(bytes);
    return ret;
}
