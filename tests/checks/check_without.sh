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
        -DXBAR_LIBURING=OFF -DXBAR_LIBSLIRP=OFF -DXBAR_LIBZSTD=OFF \
        -DXBAR_BUILD_TESTS=OFF -DXBAR_BUILD_BENCH=OFF >"$work/configured" &&
        grep 'without liburing: drives do one request' "$work/configured" &&
        grep 'without libslirp: no --netdev' "$work/configured" &&
        grep 'without libzstd: no trace, no replay' "$work/configured"
}

builds() {
    cmake --build "$bare" --target xbar
}

links_none() {
    ! ldd "$bare/xbar/xbar" | grep -E 'liburing|libslirp|libzstd'
}

# The status, and what is said on one line.
refuses_network() {
    printf '\157\0\0\0' >"$work/bios" # j .
    "$bare/xbar/xbar" run --bios "$work/bios" --netdev user 2>"$work/said"
    [ $? = 2 ] && cat "$work/said" &&
        [ "$(cat "$work/said")" = \
            "xbar: --netdev: this xbar was built without libslirp" ]
}

# The run itself does without; what needs it says so on one line.
refuses_traces() {
    "$bare/xbar/xbar" profile -o "$work/report" >"$work/ran" &&
        grep 'all right' "$work/ran" &&
        for command in trace 'replay /dev/null'; do
            # shellcheck disable=SC2086 # words
            "$bare/xbar/xbar" $command 2>"$work/said"
            [ $? = 2 ] && cat "$work/said" &&
                [ "$(cat "$work/said")" = \
                    "xbar: traces: this xbar was built without zstd" ] ||
                return 1
        done
}

check "is configured without liburing, libslirp and libzstd" configures
if [ -n "${XBAR_LONG:-}" ]; then
    check "is built" builds
    check "needs none of them" links_none
    check "refuses a network card in one line" refuses_network
    check "refuses traces in one line" refuses_traces
fi
finish
