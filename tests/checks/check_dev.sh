#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# ./dev itself, as far as it can be tried without building: what it says to
# bad usage, that it can be called from anywhere, and how it reads
# packages.apt.
# shellcheck disable=SC2317 # the functions are called through check
set -uo pipefail
. "$XBAR_SOURCE_DIR/tests/checks/tap.sh"

dev=$XBAR_SOURCE_DIR/dev

# ends_with STATUS PATTERN COMMAND...: how it ends, and what it says.
ends_with() {
    local wanted=$1 pattern=$2 text status=0
    shift 2
    text=$("$@" 2>&1 </dev/null) || status=$?
    [ "$status" -eq "$wanted" ] && grep -q -e "$pattern" <<<"$text"
}

from_elsewhere() {
    cd / && ends_with 0 'usage: ./dev' bash "$dev" help
}

# A copy in a path with a blank, and sourced parts: only its functions.
with_blanks() {
    mkdir "$work/a b" && cp "$dev" "$work/a b/" &&
        ends_with 0 'usage: ./dev' bash "$work/a b/dev" help
}

# The packages of a part, read as ./dev reads them.
packages() {
    (
        # shellcheck disable=SC2034 # read by packages_of
        root=$XBAR_SOURCE_DIR
        eval "$(sed -n '/^packages_of()/,/^}/p' "$dev")"
        packages_of "$@"
    )
}

build_part_is_small() {
    packages build | grep -qx liburcu-dev &&
        ! packages build | grep -qE 'qemu|clang|cmocka|benchmark'
}

parts_add_up() {
    [ "$(packages build test bench)" = "$( (
        packages build
        packages test
        packages bench
    ) | sort -u)" ]
}

names_are_plain() {
    ! packages build test bench | grep -vqxE '[a-z0-9][a-z0-9.+-]*'
}

check "help" ends_with 0 'demo  ' bash "$dev" help
check "no command is help" ends_with 0 'usage' bash "$dev"
check "an unknown command" ends_with 1 "no command 'frob'" bash "$dev" frob
check "an unknown preset" ends_with 1 "no preset" bash "$dev" build frob
check "an unknown option" ends_with 1 "unknown option" bash "$dev" test --frob
check "an unknown option of guests" \
    ends_with 1 "dev: guests: no option '--frob'" bash "$dev" guests --frob
for command in demo test build package docs guests; do
    check "help on $command" ends_with 0 'usage: ./dev' bash "$dev" "$command" -h
done
check "help on bench" ends_with 0 'usage: ./dev bench' bash "$dev" bench --help
check "two filters" ends_with 1 "one filter" bash "$dev" test a b
check "from another folder" from_elsewhere
check "in a path with blanks" with_blanks
check "the build part installs no test package" build_part_is_small
check "parts may be asked for together" parts_add_up
check "package names are names" names_are_plain
check "CI runs the same" grep -q 'dev" test' "$XBAR_SOURCE_DIR/.ci/run"
finish
