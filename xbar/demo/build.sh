#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Build the demo guest and write it as a C array.
#
#   xbar/demo/build.sh            replace demo_image.inc
#   xbar/demo/build.sh FILE       write FILE instead
#
# The bytes depend on the compiler: demo_image.inc names the one that made it.
# CROSS is the tools' prefix (riscv64-linux-gnu-).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cross=${CROSS:-riscv64-linux-gnu-}
out=$(realpath -m "${1:-$here/demo_image.inc}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Run in the folder, so that no path of the builder's gets into the bytes.
cd "$here"
"${cross}gcc" -march=rv64gc -mabi=lp64d -mcmodel=medany -O2 \
    -ffreestanding -fno-pic -fno-stack-protector -fno-builtin -fno-math-errno \
    -fno-tree-loop-distribute-patterns -fno-asynchronous-unwind-tables \
    -fno-ident -ffp-contract=off -Wall -Wextra -Werror \
    -nostdlib -static -no-pie -Wl,--build-id=none -Wl,-T,demo.ld \
    -Wl,--no-warn-rwx-segments \
    -o "$work/demo.elf" start.S board.c demo.c
# Names stay, for profiles.
"${cross}strip" -g "$work/demo.elf"

{
    echo "/* SPDX-License-Identifier: MIT */"
    echo "/* Made by build.sh with $("${cross}gcc" -dumpfullversion)," \
        "binutils $("${cross}ld" --version | sed -n '1s/.* //p'). */"
    echo "/* clang-format off */"
    od -An -v -tx1 "$work/demo.elf" |
        sed 's/ \([0-9a-f][0-9a-f]\)/0x\1,/g; s/^/    /'
    echo "/* clang-format on */"
} >"$out"
