/* SPDX-License-Identifier: MIT */
/*
 * The listings in docs/architecture.md are what the emitter writes.
 *
 *     <!-- listing: NAME -->
 *     ```
 *      4  bytes of the instruction    its text              ; a remark
 *     ```
 *
 * They are of a baseline host, so that they are the same on every x86-64. Where
 * a field of the vCPU lies depends on all that is in front of it, and where a
 * stub lies on all other stubs: such displacements are names, and dots among
 * the bytes. Remarks are not compared.
 *
 * XBAR_LISTINGS=1 prints them as they are now.
 */
#include "jit/riscv/jit.h"
#include "jit/x86_64/x86_64_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <capstone/capstone.h>

#include "encode.h"
#include "rig.h"

#define CODE     0x1000u
#define RAM_ADDR ((uint64_t)RIG_RAM)
#define TEXT_MAX 8192u
#define LINE_MAX 256u

struct listing {
    struct rig rig;
    csh capstone;
    const struct xbar_jit_block *block;
    const uint8_t *code; /* of the block */
    const char *unknown; /* an operand that has no name */
    char text[TEXT_MAX];
    size_t length;
};

/* ---- Names ------------------------------------------------------------- */

#define STATE(field) offsetof(struct xbar_riscv_hart, jit_state.field)
#define TLB(field)   offsetof(struct xbar_riscv_hart, tlb.field)
#define SPAN(field)  TLB(spans[CTX_M][TLB_READ][11].field)
#define X(reg)       offsetof(struct xbar_riscv_hart, x[reg])

/* Fields of the vCPU. Spans are a1's, which is register 11. */
static const struct {
    size_t offset;
    const char *name;
} fields[] = {
    { X(1), "ra" },
    { X(8), "s0" },
    { X(9), "s1" },
    { X(11), "a1" },
    { X(12), "a2" },
    { X(13), "a3" },
    { X(16), "a6" },
    { SPAN(start), "span.start" },
    { SPAN(count), "span.count" },
    { SPAN(addend), "span.addend" },
    { TLB(spans) + offsetof(TLBSpan, credit), "spans.credit" },
    { TLB(l1[CTX_M][0].tag[TLB_READ]), "tlb.read" },
    { TLB(l1[CTX_M][0].addend), "tlb.addend" },
    { TLB(info[0][0].page), "info.page" },
    { TLB(info[0][0].phys), "info.phys" },
    { TLB(info[0][0].section), "info.section" },
    { TLB(info[0][0].asid), "info.asid" },
    { TLB(stats.slow), "stats.slow" },
    { TLB(stats.mmio_reads), "stats.mmio" },
    { STATE(span), "state.span" },
    { STATE(bare), "state.bare" },
    { STATE(ras_top), "ras_top" },
    { STATE(ras[0].pc), "ras.pc" },
    { STATE(ras[0].code), "ras.code" },
    { offsetof(struct xbar_riscv_hart, attention), "attention" },
    { offsetof(struct xbar_riscv_hart, data_context), "context" },
};

static const char *field_name(struct listing *l, int64_t disp)
{
    size_t offset = (size_t)(disp + l->rig.hart->jit->stubs->anchor);

    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (fields[i].offset == offset) {
            return fields[i].name;
        }
    }
    l->unknown = "a field";
    return "?";
}

/* Where a jump or a call leads: in the block, or to a stub. */
static void name_target(struct listing *l, uint64_t target, char *name)
{
    const struct x86_stub_set *set = &l->rig.hart->jit->stubs->set[0];
    const struct {
        uint32_t at;
        const char *name;
    } stubs[] = {
        { set->load[3], "load_8" },
        { set->probe_load[3], "probe_load_8" },
        { set->exit_attention, "exit_attention" },
        { set->exit_link, "exit_link" },
        { set->exit_budget, "exit_budget" },
    };
    uint64_t begin = l->block->code;

    for (size_t i = 0; i < sizeof(stubs) / sizeof(stubs[0]); i++) {
        if (stubs[i].at == target) {
            snprintf(name, LINE_MAX, "%s", stubs[i].name);
            return;
        }
    }
    if (target >= begin && target < begin + l->block->code_size) {
        snprintf(name, LINE_MAX, "+%" PRIx64, target - begin);
        return;
    }
    snprintf(name, LINE_MAX,
             target < jit_host__stubs_size() ? "general" /* of this stub */
                                             : "block");
}

/* ---- Lines ------------------------------------------------------------- */

static const cs_x86_op *operand(const cs_insn *insn, x86_op_type type)
{
    for (unsigned i = 0; i < insn->detail->x86.op_count; i++) {
        if (insn->detail->x86.operands[i].type == type) {
            return &insn->detail->x86.operands[i];
        }
    }
    return NULL;
}

static bool is_jump(const cs_insn *insn)
{
    return (insn->mnemonic[0] == 'j' || !strcmp(insn->mnemonic, "call")) &&
           operand(insn, X86_OP_IMM) != NULL;
}

static void hide(char *bytes, unsigned at, unsigned count)
{
    memset(bytes + 2 * at, '.', 2 * (size_t)count);
}

/* Bytes in hex; what depends on where things lie is dots. */
static void print_bytes(const cs_insn *insn, char *bytes)
{
    const cs_x86_encoding *where = &insn->detail->x86.encoding;
    const cs_x86_op *memory = operand(insn, X86_OP_MEM);

    for (unsigned i = 0; i < insn->size; i++) {
        snprintf(bytes + 2 * i, 3, "%02x", insn->bytes[i]);
    }
    if (memory != NULL && memory->mem.base == X86_REG_RBP) {
        hide(bytes, where->disp_offset, where->disp_size);
    }
    if (is_jump(insn)) {
        hide(bytes, insn->size - 4u, 4);
    }
    if (!strcmp(insn->mnemonic, "movabs")) {
        hide(bytes, insn->size - 8u, 8);
    }
}

/* Operands, with names for fields. */
static void print_operands(struct listing *l, const cs_insn *insn, char *out)
{
    const cs_x86_op *memory = operand(insn, X86_OP_MEM);
    const char *from = strchr(insn->op_str, '[');
    const char *behind = strchr(insn->op_str, ']');

    if (is_jump(insn)) {
        name_target(l, (uint64_t)operand(insn, X86_OP_IMM)->imm, out);
    } else if (!strcmp(insn->mnemonic, "movabs")) {
        snprintf(out, LINE_MAX, "%s, landing",
                 cs_reg_name(l->capstone, insn->detail->x86.operands[0].reg));
    } else if (memory != NULL && memory->mem.base == X86_REG_RBP) {
        bool indexed = memory->mem.index != X86_REG_INVALID;

        snprintf(out, LINE_MAX, "%.*s[rbp+%s%s%s", (int)(from - insn->op_str),
                 insn->op_str,
                 indexed ? cs_reg_name(l->capstone, memory->mem.index) : "",
                 indexed ? "+" : "", field_name(l, memory->mem.disp));
        snprintf(out + strlen(out), LINE_MAX - strlen(out), "%s", behind);
    } else {
        snprintf(out, LINE_MAX, "%s", insn->op_str);
    }
}

/* Capstone says "dword ptr" where the register does; the bytes do, too. */
static void drop_widths(char *text)
{
    static const char *const widths[] = { "byte ptr ", "word ptr ",
                                          "dword ptr ", "qword ptr " };

    for (size_t i = sizeof(widths) / sizeof(widths[0]); i-- > 0;) {
        char *found = strstr(text, widths[i]);

        if (found != NULL) {
            memmove(found, found + strlen(widths[i]),
                    strlen(found + strlen(widths[i])) + 1);
        }
    }
}

static void put_line(struct listing *l, const cs_insn *insn, uint64_t from)
{
    char bytes[2 * 16 + 1], operands[LINE_MAX];

    print_bytes(insn, bytes);
    print_operands(l, insn, operands);
    drop_widths(operands);
    assert_true(l->length + LINE_MAX < TEXT_MAX);
    l->length +=
        (size_t)snprintf(l->text + l->length, TEXT_MAX - l->length,
                         "%3" PRIx64 "  %-20s %s%s%s\n", insn->address - from,
                         bytes, insn->mnemonic, *operands ? " " : "", operands);
}

typedef bool last_fn(const struct listing *l, const cs_insn *insn);

/* Code from offset @at of code memory on, until @is_last or @size bytes;
 * offsets count from @from. */
static void list(struct listing *l, uint64_t at, uint64_t from, size_t size,
                 last_fn *is_last)
{
    const uint8_t *bytes = xbar_jit_code(l->rig.hart->jit->cache, (uint32_t)at);
    cs_insn *insn = cs_malloc(l->capstone);
    bool done = false;

    while (!done && cs_disasm_iter(l->capstone, &bytes, &size, &at, insn)) {
        put_line(l, insn, from);
        done = is_last != NULL && is_last(l, insn);
    }
    assert_true(done || is_last == NULL);
    cs_free(insn, 1);
}

/* ---- Guests ------------------------------------------------------------ */

static void translate(struct listing *l, const uint32_t *code, size_t count)
{
    struct rig *rig = &l->rig;
    struct xbar_jit_key key = { .pc = RAM_ADDR + CODE,
                                .page = RAM_ADDR + CODE,
                                .page2 = XBAR_JIT_NO_PAGE };

    rig_code(rig, CODE, code, count);
    riscv__jit_flush(rig->hart);
    rig->hart->x[11] = RIG_IO;
    rig->hart->pc = RAM_ADDR + CODE;
    assert_int_equal(xbar_riscv_run(rig->hart, 10), XBAR_RISCV_EXIT_BUDGET);
    key.mode = riscv__jit_mode(rig->hart);
    l->block = xbar_jit_find(rig->hart->jit->cache, &key);
    assert_non_null(l->block);
    l->length = 0;
    l->text[0] = '\0';
}

static void hot_part(struct listing *l)
{
    list(l, l->block->code, l->block->code, l->block->hot_size, NULL);
}

static const uint32_t load_code[] = { 0x0085b503 /* ld a0, 8(a1) */,
                                      INSN_SELF };

static void list_load(struct listing *l)
{
    translate(l, load_code, 2);
    hot_part(l);
}

static void list_call(struct listing *l)
{
    const uint32_t code[] = { encode(RISCV_OP_JAL, 1, 0, 0, 8), INSN_SELF,
                              INSN_SELF };

    translate(l, code, 3);
    hot_part(l);
}

static bool is_leaving(const struct listing *l, const cs_insn *insn)
{
    uint64_t exit = l->rig.hart->jit->stubs->set[0].exit_attention;

    return is_jump(insn) && (uint64_t)operand(insn, X86_OP_IMM)->imm == exit;
}

/* Where the first conditional jump behind the budget's leads. */
static uint64_t cold_path(struct listing *l)
{
    const uint8_t *bytes =
        xbar_jit_code(l->rig.hart->jit->cache, l->block->code);
    uint64_t at = l->block->code, target = 0;
    size_t size = l->block->hot_size;
    cs_insn *insn = cs_malloc(l->capstone);

    while (target == 0 &&
           cs_disasm_iter(l->capstone, &bytes, &size, &at, insn)) {
        if (!strcmp(insn->mnemonic, "jae")) {
            target = (uint64_t)operand(insn, X86_OP_IMM)->imm;
        }
    }
    cs_free(insn, 1);
    assert_int_not_equal(target, 0);
    return target;
}

static void list_miss(struct listing *l)
{
    translate(l, load_code, 2);
    list(l, cold_path(l), l->block->code, l->block->code_size, is_leaving);
}

static bool is_return(const struct listing *l, const cs_insn *insn)
{
    (void)l;
    return !strcmp(insn->mnemonic, "ret");
}

static bool goes_on(const struct listing *l, const cs_insn *insn)
{
    uint64_t load = l->rig.hart->jit->stubs->set[0].load[3];

    return is_jump(insn) && (uint64_t)operand(insn, X86_OP_IMM)->imm == load;
}

static void list_probe(struct listing *l)
{
    uint64_t at = l->rig.hart->jit->stubs->set[0].probe_load[3];

    translate(l, load_code, 2);
    list(l, at, at, jit_host__stubs_size(), goes_on);
}

static void list_stub(struct listing *l)
{
    uint64_t at = l->rig.hart->jit->stubs->set[0].load[3];

    translate(l, load_code, 2);
    list(l, at, at, jit_host__stubs_size(), is_return);
}

/* ---- The document ------------------------------------------------------ */

static char *read_document(void)
{
    FILE *file = fopen(XBAR_ARCHITECTURE, "rb");
    char *text = test_calloc(1, 1u << 18);

    assert_non_null(file);
    assert_true(fread(text, 1, (1u << 18) - 1, file) > 0);
    assert_int_equal(fclose(file), 0);
    return text;
}

/* The line at @text without its remark and what is blank before that. */
static size_t line_length(const char *text)
{
    size_t length = strcspn(text, ";\n");

    while (length > 0 && text[length - 1] == ' ') {
        length--;
    }
    return length;
}

static void compare(const char *name, const char *now, const char *document)
{
    char mark[64];
    const char *at;

    snprintf(mark, sizeof(mark), "<!-- listing: %s -->\n```\n", name);
    at = strstr(document, mark);
    assert_non_null(at);
    at += strlen(mark);
    while (*now != '\0') {
        size_t length = line_length(at), wanted = line_length(now);

        if (length != wanted || memcmp(at, now, length) != 0) {
            fail_msg("%s: the document has\n%.*s\nand the emitter\n%.*s", name,
                     (int)length, at, (int)wanted, now);
        }
        at += strcspn(at, "\n") + 1;
        now += strcspn(now, "\n") + 1;
    }
    assert_memory_equal(at, "```\n", 4);
}

static const struct {
    const char *name;
    void (*list)(struct listing *l);
} listings[] = {
    { "load", list_load },   { "call", list_call },
    { "device", list_miss }, { "probe_load_8", list_probe },
    { "load_8", list_stub },
};

static void test_document(void **state)
{
    const struct xbar_riscv_config config = {
        .stress = XBAR_RISCV_STRESS_BASELINE,
    };
    struct listing *l = test_calloc(1, sizeof(*l));
    char *document = read_document();

    (void)state;
    rig_open_with(&l->rig, &config);
    assert_int_equal(xbar_riscv_set_engine(l->rig.hart, XBAR_RISCV_JIT), 0);
    assert_int_equal(cs_open(CS_ARCH_X86, CS_MODE_64, &l->capstone), CS_ERR_OK);
    cs_option(l->capstone, CS_OPT_DETAIL, CS_OPT_ON);
    for (size_t i = 0; i < sizeof(listings) / sizeof(listings[0]); i++) {
        listings[i].list(l);
        if (getenv("XBAR_LISTINGS")) {
            printf("<!-- listing: %s -->\n```\n%s```\n\n", listings[i].name,
                   l->text);
        } else {
            compare(listings[i].name, l->text, document);
        }
        assert_null(l->unknown);
    }
    cs_close(&l->capstone);
    rig_close(&l->rig);
    test_free(document);
    test_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_document),
    };

    if (!xbar_riscv_has_jit()) {
        print_message("no translator for this host\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
