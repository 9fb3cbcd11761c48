#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The program without the libraries that it can do without: it is built, and
# says what it lacks. With XBAR_LONG, as that is a build of its own.
# shellcheck disable=SC2317 # the functions are called through check
set -uo pipefail
. "$XBAR_SOURCE_DIR/tests/checks/tap.sh"

# shellcheck disable=SC2154 # work: tap.sh
bare=$work/bare

configures() {
    cmake -S "$XBAR_SOURCE_DIR" -B "$bare" -G Ninja -DXBAR_WERROR=ON \
        -DXBAR_LIBURING=OFF -DXBAR_LIBSLIRP=OFF -DXBAR_BUILD_TESTS=OFF \
        -DXBAR_BUILD_BENCH=OFF >"$work/configured" &&
        grep 'without liburing: drives do one request' "$work/configured" &&
        grep 'without libslirp: no --netdev' "$work/configured"
}

builds() {
    cmake --build "$bare" --target xbar
}

links_neither() {
    ! ldd "$bare/xbar/xbar" | grep -E 'liburing|libslirp'
}

# The status, and what is said on one line.
refuses_network() {
    printf '\157\0\0\0' >"$work/bios" # j .
    "$bare/xbar/xbar" run --bios "$work/bios" --netdev user 2>"$work/said"
    [ $? = 2 ] && cat "$work/said" &&
        [ "$(cat "$work/said")" = \
            "xbar: --netdev: this xbar was built without libslirp" ]
}

check "is configured without liburing and libslirp" configures
if [ -n "${XBAR_LONG:-}" ]; then
    check "is built" builds
    check "needs neither" links_neither
    check "refuses a network card in one line" refuses_network
fi
finish
