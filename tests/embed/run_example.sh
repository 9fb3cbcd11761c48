#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# run_example.sh PROGRAM EXPECTED: run an example; it prints what is in that
# file, or ends with status 77 and says on stderr what is missing here.
set -uo pipefail

output=$(mktemp)
trap 'rm -f "$output" "$output.error"' EXIT
"$1" >"$output" 2>"$output.error"
status=$?
if [ "$status" -eq 77 ] && [ -s "$output.error" ]; then
    echo "ok 1 - $(basename "$1") # SKIP $(head -n 1 "$output.error")"
    exit 0
fi
cat "$output.error" >&2
[ "$status" -eq 0 ] && diff -u "$2" "$output" || exit 1
echo "ok 1 - $(basename "$1")"
