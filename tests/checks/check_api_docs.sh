#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The pages of the API: Doxygen has nothing to warn about, and what it makes of
# the headers says what they say.
# shellcheck disable=SC2317 # the functions are called through check
set -uo pipefail
. "$XBAR_SOURCE_DIR/tests/checks/tap.sh"

# shellcheck disable=SC2154 # work: tap.sh
pages=$work/pages

make_pages() {
    mkdir -p "$pages" &&
        XBAR_INCLUDE=$XBAR_BUILD_DIR/include/xbar XBAR_API_OUTPUT=$pages \
            XBAR_API=$XBAR_SOURCE_DIR/docs/api \
            doxygen "$XBAR_SOURCE_DIR/docs/api/Doxyfile"
}

# has FILE TEXT: among its words, without tags.
has() {
    sed 's/<[^>]*>//g' "$pages/$1" | tr -s '[:space:]' ' ' | grep -qF "$2"
}

# A title, a parameter, a result; a field's comment; one text for two functions.
says_what_headers_say() {
    has index.html "the soft-TLB: C callers" &&
        has tlb_8h.html "any access, hit or not" &&
        has tlb_8h.html "in host order, in the low bytes" &&
        has tlb_8h.html "no effect on memory or *value" &&
        has structxbar__jit__config.html "bytes of code, at most 1 GiB" &&
        [ "$(grep -c "a snapshot beyond a read section" \
            "$pages/flatview_8h.html")" -ge 2 ]
}

all_headers_have_pages() {
    local header name missing=0
    while read -r header; do
        name=$(basename "$header" .h)
        find "$pages" -name "*${name//_/__}_8h.html" | grep -q . || {
            echo "no page of $header"
            missing=1
        }
    done <"$XBAR_BUILD_DIR/public-headers.txt"
    return "$missing"
}

check "doxygen has nothing to warn about" make_pages
check "pages say what the headers say" says_what_headers_say
check "each public header has a page" all_headers_have_pages
finish
