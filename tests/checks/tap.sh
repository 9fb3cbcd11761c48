# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# TAP for the shell checks: source it, call check, end with finish.

tap_count=0
tap_failed=0
work=$(mktemp -d) # for the test's files; gone at the end
trap 'rm -rf "$work"' EXIT

# check NAME COMMAND...: one case; what the command says is its diagnosis.
check() {
    local name=$1 output
    shift
    tap_count=$((tap_count + 1))
    if output=$("$@" 2>&1 </dev/null); then
        echo "ok $tap_count - $name"
    else
        echo "not ok $tap_count - $name"
        printf '%s\n' "$output" | tail -n 40 | sed 's/^/#   /'
        tap_failed=1
    fi
}

finish() {
    echo "1..$tap_count"
    exit "$tap_failed"
}
