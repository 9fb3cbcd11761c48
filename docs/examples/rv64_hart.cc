/* SPDX-License-Identifier: MIT */
/*
 * The RV64GC machine as a library, from C++: a hart on a board of one's own, run
 * for an exact number of instructions, then until another thread stops it.
 *
 *     0x10000000  console: a word written is printed
 *     0x80000000  ram; the hart begins here
 *
 * c++ rv64_hart.cc $(pkg-config --cflags --libs xbar) -pthread && ./a.out
 */
#include <cinttypes>
#include <cstdio>
#include <thread>
#include <xbar/xbar.h>

namespace
{

constexpr hwaddr RAM = 0x80000000;
constexpr hwaddr CONSOLE = 0x10000000;

/* Sums 1 to 100, writes the sum to the console, and waits for ever. */
constexpr uint32_t program[] = {
    0x00000513, /*       li   a0, 0       */
    0x06400293, /*       li   t0, 100     */
    0x00550533, /* loop: add  a0, a0, t0  */
    0xfff28293, /*       addi t0, t0, -1  */
    0xfe029ce3, /*       bnez t0, loop    */
    0x10000337, /*       lui  t1, 0x10000 */
    0x00a32023, /*       sw   a0, 0(t1)   */
    0x0000006f, /* wait: j    wait        */
};
constexpr uint64_t INSNS_TO_WAIT = 2 + 3 * 100 + 2;

class Board
{
  public:
    Board()
    {
        ops_.read = [](void *, hwaddr, unsigned) -> uint64_t { return 0; };
        ops_.write = [](void *, hwaddr, uint64_t data, unsigned) {
            std::printf("console: %" PRIu64 "\n", data);
        };
        memory_region_transaction_begin();
        memory_region_init(&root_, nullptr, "root", UINT64_MAX);
        memory_region_init_ram(&ram_, nullptr, "ram", 1 << 20, nullptr);
        memory_region_init_io(&console_, nullptr, &ops_, this, "console", 4);
        memory_region_add_subregion(&root_, RAM, &ram_);
        memory_region_add_subregion(&root_, CONSOLE, &console_);
        is_good_ = memory_region_transaction_commit() == 0 &&
                   address_space_init(&memory_, &root_, "memory") == 0;
    }

    bool is_good() const
    {
        return is_good_;
    }
    AddressSpace *memory()
    {
        return &memory_;
    }

  private:
    MemoryRegionOps ops_ = {};
    MemoryRegion root_, ram_, console_;
    AddressSpace memory_;
    bool is_good_;
};

void run(xbar_riscv_hart *hart)
{
    xbar_riscv_stats stats;

    /* To the instruction: the store has happened, the jump has not. */
    xbar_riscv_run(hart, INSNS_TO_WAIT);
    xbar_riscv_get_stats(hart, &stats);
    std::printf("%" PRIu64 " instructions, pc 0x%" PRIx64 ", a0 %" PRIu64 "\n",
                stats.instructions, xbar_riscv_get_pc(hart),
                xbar_riscv_get_x(hart, 10));

    std::thread stopper([hart] { xbar_riscv_request_exit(hart); });
    xbar_riscv_exit why = xbar_riscv_run(hart, UINT64_MAX);

    stopper.join();
    std::printf("%s, pc 0x%" PRIx64 "\n",
                why == XBAR_RISCV_EXIT_REQUEST ? "stopped" : "not stopped",
                xbar_riscv_get_pc(hart));
}

} // namespace

int main()
{
    static Board board;
    xbar_riscv_config config = {};

    if (!board.is_good() ||
        address_space_write(board.memory(), RAM, MEMTXATTRS_UNSPECIFIED,
                            program, sizeof(program)) != MEMTX_OK) {
        return 1;
    }
    config.as = board.memory();
    config.reset_pc = RAM;
    xbar_riscv_hart *hart = xbar_riscv_new(&config);
    if (hart == nullptr) {
        return 1;
    }
    if (xbar_riscv_has_jit() &&
        xbar_riscv_set_engine(hart, XBAR_RISCV_JIT) != 0) {
        std::printf("no executable memory: it is interpreted\n");
    }
    run(hart);
    xbar_riscv_free(hart);
    return 0;
}
