#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# An embedder's view: install into an empty folder, then find the library with
# pkg-config and with CMake, from C and from C++, and run the result. Staged
# under DESTDIR once, too, as a packager does it.
# shellcheck disable=SC2317 # the functions are called through check
set -uo pipefail
. "$XBAR_SOURCE_DIR/tests/checks/tap.sh"

# shellcheck disable=SC2154 # work: tap.sh
prefix=$work/prefix
export PKG_CONFIG_PATH=$prefix/lib/pkgconfig

# ---- What an embedder writes ------------------------------------------------

write_sources() {
    cat >"$work/main.c" <<'END'
#include <stdio.h>
#include <xbar/compat.h>
#include <xbar/xbar.h>

int main(void)
{
    MemoryRegion root;

    if (memory_region_init(&root, NULL, "root", UINT64_MAX)) {
        return 1;
    }
    puts(memory_region_name(&root));
    return xbar_region_destroy(&root, NULL, NULL) ? 2 : 0;
}
END
    cp "$work/main.c" "$work/main.cc"
    cat >"$work/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.25)
project(embedder LANGUAGES C)
find_package(xbar 0.1 REQUIRED)
add_executable(embedder main.c)
target_link_libraries(embedder PRIVATE xbar::xbar)
if(TARGET xbar::static)
    add_executable(embedder_static main.c)
    target_link_libraries(embedder_static PRIVATE xbar::static)
endif()
END
}

# The adapters that were built.
adapters() {
    find "$XBAR_BUILD_DIR" -maxdepth 1 -name 'xbar-*.pc' -printf '%f\n' |
        sed 's/^xbar-//; s/\.pc$//' | sort
}

# write_board NAME: a program that takes the adapter as a component.
write_board() {
    mkdir -p "$work/board-$1" &&
        cat >"$work/board-$1/CMakeLists.txt" <<END
cmake_minimum_required(VERSION 3.25)
project(board LANGUAGES C)
find_package(xbar 0.1 REQUIRED COMPONENTS $1 OPTIONAL_COMPONENTS none)
if(NOT xbar_$1_FOUND OR xbar_none_FOUND)
    message(FATAL_ERROR "found: $1 \${xbar_$1_FOUND}, none \${xbar_none_FOUND}")
endif()
find_package(xbar REQUIRED COMPONENTS $1) # once more changes nothing
add_executable(board $XBAR_SOURCE_DIR/docs/examples/$1_board.c)
target_link_libraries(board PRIVATE xbar::$1)
END
}

# ---- Cases ------------------------------------------------------------------

install_prefix() {
    cmake --install "$XBAR_BUILD_DIR" --prefix "$prefix"
}

install_destdir() {
    DESTDIR=$work/staged cmake --install "$XBAR_BUILD_DIR" &&
        [ -n "$(find "$work/staged" -name 'libxbar.so.0')" ] &&
        [ -n "$(find "$work/staged" -name xbar.h)" ]
}

says_root() {
    [ "$("$@")" = root ]
}

# with_pkg_config COMPILER SOURCE: as little as a makefile would do.
with_pkg_config() {
    local flags
    read -ra flags < <(pkg-config --cflags --libs xbar)
    "$1" -Wall -Werror -o "$work/out" "$work/$2" "${flags[@]}" &&
        LD_LIBRARY_PATH=$prefix/lib says_root "$work/out"
}

# Every example, as its first comment says to build it; what it prints. Those
# for adapters that were not built are left out. What cannot run here is named
# in a file.
examples_run() {
    local flags source out compiler package
    for source in "$XBAR_SOURCE_DIR"/docs/examples/*.c*; do
        out=$work/$(basename "${source%.*}")
        compiler=$XBAR_CC
        [[ $source == *.c ]] || compiler=g++
        package=$(sed -n 's/.*pkg-config --cflags --libs \([^)]*\)).*/\1/p' \
            "$source")
        [ -f "$XBAR_BUILD_DIR/$package.pc" ] || continue
        read -ra flags < <(pkg-config --cflags --libs "$package")
        # Instructions of x86-64 are in some of them.
        [ "$(uname -m)" = x86_64 ] ||
            ! grep -qE 'XBAR_EMIT_R|linux/kvm' "$source" || continue
        "$compiler" -Wall -Werror -o "$out" "$source" "${flags[@]}" -pthread &&
            LD_LIBRARY_PATH=$prefix/lib \
                bash "$XBAR_SOURCE_DIR/tests/embed/run_example.sh" "$out" \
                "${source%.*}.expected" >>"$work/examples" || return 1
    done
}

# All that there are, but for those of adapters that were not built.
examples_are_all() {
    local package source
    for source in "$XBAR_SOURCE_DIR"/docs/examples/*.c*; do
        package=$(sed -n 's/.*pkg-config --cflags --libs \([^)]*\)).*/\1/p' \
            "$source")
        [ -n "$package" ] || return 1
        [ ! -f "$XBAR_BUILD_DIR/$package.pc" ] ||
            [ "$(uname -m)" != x86_64 ] ||
            grep -q " $(basename "${source%.*}")\b" "$work/examples" || return 1
    done
}

with_cmake() {
    cmake -S "$work" -B "$work/build" -G Ninja -DCMAKE_PREFIX_PATH="$prefix" \
        -DCMAKE_C_COMPILER="$XBAR_CC" &&
        cmake --build "$work/build" && says_root "$work/build/embedder"
}

# cmake_board NAME: its example, built with nothing but the component.
cmake_board() {
    write_board "$1" &&
        cmake -S "$work/board-$1" -B "$work/board-$1/build" -G Ninja \
            -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_C_COMPILER="$XBAR_CC" &&
        cmake --build "$work/board-$1/build" &&
        bash "$XBAR_SOURCE_DIR/tests/embed/run_example.sh" \
            "$work/board-$1/build/board" \
            "$XBAR_SOURCE_DIR/docs/examples/$1_board.expected"
}

cmake_says_what_is_missing() {
    mkdir -p "$work/none" &&
        cat >"$work/none/CMakeLists.txt" <<END &&
cmake_minimum_required(VERSION 3.25)
project(none LANGUAGES C)
find_package(xbar REQUIRED COMPONENTS none)
END
        ! cmake -S "$work/none" -B "$work/none/build" -G Ninja \
            -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_C_COMPILER="$XBAR_CC" \
            >"$work/none/said" 2>&1 &&
        tr -s ' \n' ' ' <"$work/none/said" |
        grep -q 'no adapter none is installed beside xbar'
}

has_archive() {
    [ -f "$prefix/lib/libxbar.a" ]
}

# Made by with_cmake: the library is in the program.
cmake_static() {
    says_root "$work/build/embedder_static" &&
        ! grep -q libxbar < <(ldd "$work/build/embedder_static")
}

all_static() {
    local flags
    read -ra flags < <(pkg-config --static --cflags --libs xbar)
    "$XBAR_CC" -static -o "$work/static" "$work/main.c" "${flags[@]}" &&
        says_root "$work/static"
}

# Nothing but public names is left to link to, or to clash with.
archive_hides() {
    local names=$work/names
    nm -D --defined-only "$prefix/lib/libxbar.so" |
        awk '$2 != "A" { sub("@.*", "", $3); print $3 }' | sort >"$names" &&
        nm -g --defined-only "$prefix/lib/libxbar.a" |
        awk 'NF == 3 { print $3 }' | sort | diff "$names" -
}

# The installed program finds the installed library by itself.
program_runs() {
    "$prefix/bin/xbar" --help >"$work/help" && grep -q run "$work/help"
}

no_private_header() {
    [ -z "$(find "$prefix/include" -name '*_internal.h')" ] &&
        [ "$(cd "$prefix/include" && find xbar -type f | sort)" = \
            "$(sort "$XBAR_BUILD_DIR/public-headers.txt")" ]
}

write_sources
check "installs into a prefix" install_prefix
check "installs under DESTDIR" install_destdir
check "installs the public headers and no other" no_private_header
check "pkg-config, C" with_pkg_config "$XBAR_CC" main.c
check "pkg-config, C++" with_pkg_config g++ main.cc
check "the examples, by pkg-config" examples_run
check "that is every example" examples_are_all
sed -n 's/^ok 1 - \(.*\) # SKIP \(.*\)/# \1 did not run: \2/p' "$work/examples"
check "CMake package" with_cmake
for name in $(adapters); do
    check "CMake package, its component $name" cmake_board "$name"
done
check "CMake package, a component that is not there" cmake_says_what_is_missing
if has_archive; then
    check "CMake package, static" cmake_static
    check "pkg-config, all static" all_static
    check "the archive shows public names alone" archive_hides
fi
if [ -n "${XBAR_PROGRAM:-}" ]; then
    check "the installed program runs" program_runs
fi
finish
