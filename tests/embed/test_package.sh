#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The Debian packages: made, looked at as Debian looks, unpacked into a root
# that has nothing but what they say they depend on, and run there.
# shellcheck disable=SC2317 # the functions are called through check
set -uo pipefail
. "$XBAR_SOURCE_DIR/tests/checks/tap.sh"

# shellcheck disable=SC2154 # work: tap.sh
root=$work/root
packages=$XBAR_SOURCE_DIR/build/package

# Adapters that were built: each has two.
adapters() {
    find "$packages" -maxdepth 1 -name 'libxbar-*.so.0' |
        sed 's/.*xbar-//; s/\..*//'
}

expected() {
    local name
    printf '%s\n' libxbar-dev libxbar0 xbar
    for name in $(adapters); do
        printf '%s\n' "libxbar-${name}0" "libxbar-$name-dev"
    done
}

make_packages() {
    "$XBAR_SOURCE_DIR/dev" package &&
        diff <(expected | sort) \
            <(cd "$packages" && printf '%s\n' *.deb | sed 's/_.*//' | sort)
}

# Not errors of the packages: a first version closes no report in Debian's
# tracker, and CPack calls ldconfig although there is a trigger.
lintian_is_content() {
    lintian --allow-root --fail-on error,warning --suppress-tags \
        initial-upload-closes-no-bugs,maintscript-calls-ldconfig \
        "$packages"/*.deb
}

holds() {
    grep -qE " $2\$" < <(dpkg-deb -c "$packages"/"$1"_*.deb 2>/dev/null)
}

each_has_its_own() {
    holds libxbar0 '.*/libxbar\.so\.0 -> .*' && ! holds libxbar0 '.*\.[ha]' &&
        holds libxbar-dev '\./usr/include/xbar/xbar\.h' &&
        holds libxbar-dev '.*/xbar\.pc' &&
        holds libxbar-dev '.*/libxbar\.a' &&
        holds libxbar-dev '.*/cmake/xbar/xbarConfig\.cmake' &&
        holds xbar '\./usr/bin/xbar' && holds xbar '.*/man1/xbar\.1\.gz' &&
        ! holds xbar '.*\.so.*'
}

adapters_have_theirs() {
    local name
    for name in $(adapters); do
        holds "libxbar-${name}0" ".*/libxbar-$name\\.so\\.0 -> .*" &&
            ! holds "libxbar-${name}0" '.*\.h' &&
            holds "libxbar-$name-dev" ".*/xbar/jit/plug/$name\\.h" &&
            holds "libxbar-$name-dev" ".*/xbar-$name\\.pc" &&
            holds "libxbar-$name-dev" ".*/cmake/xbar/xbar-$name\\.cmake" &&
            ! holds libxbar-dev ".*/xbar-$name.*\\.cmake" &&
            ! holds libxbar-dev ".*/jit/plug/$name\\.h" || return 1
        depends_of "$packages/libxbar-${name}0"_*.deb | grep -qx libxbar0 &&
            depends_of "$packages/libxbar-$name-dev"_*.deb |
            grep -qx libxbar-dev || return 1
    done
    # What they are for is theirs alone.
    ! grep -qE 'unicorn|dynarmic' < <(depends_of "$packages"/libxbar0_*.deb &&
        depends_of "$packages"/xbar_*.deb) || return 1
    [ ! -f "$packages/xbar-unicorn.pc" ] ||
        grep -q unicorn < <(depends_of "$packages"/libxbar-unicorn0_*.deb)
}

# ---- A root with what is depended on ----------------------------------------

# depends_of PACKAGE-OR-DEB: names; of alternatives, the first.
depends_of() {
    local fields
    if [ -f "$1" ]; then
        fields=$(dpkg-deb -f "$1" Depends Pre-Depends)
    else
        fields=$(dpkg-query -W -f '${Depends}, ${Pre-Depends}\n' "$1")
    fi
    tr ',' '\n' <<<"$fields" |
        sed -E 's/^(Pre-)?Depends: *//; s/\|.*//; s/[(:].*//; s/[[:space:]]//g' |
        grep . || true
}

# copy_package NAME: its files, with those of what it depends on, once each.
copy_package() {
    local name path
    [ ! -e "$work/copied/$1" ] || return 0
    : >"$work/copied/$1"
    while read -r path; do
        if [ -f "$path" ] || [ -L "$path" ]; then
            mkdir -p "$root$(dirname "$path")" &&
                cp -a "$path" "$root$path" || return 1
        fi
    done < <(dpkg -L "$1" | grep -E '/lib')
    for name in $(depends_of "$1"); do
        copy_package "$name" || return 1
    done
}

fill_root() {
    local deb name
    mkdir -p "$work/copied" "$root"/usr/{bin,sbin,lib,lib64} "$root"/{tmp,proc}
    for name in bin sbin lib lib64; do
        ln -s "usr/$name" "$root/$name"
    done
    : >"$work/copied/libxbar0"
    for deb in "$packages"/libxbar0_*.deb "$packages"/xbar_*.deb; do
        dpkg-deb --fsys-tarfile "$deb" |
            tar -C "$root" -x --keep-directory-symlink || return 1
        for name in $(depends_of "$deb"); do
            copy_package "$name" || return 1
        done
    done
}

# In the root; its own user namespace where we are not root already.
inside() {
    if [ "$(id -u)" -eq 0 ]; then
        chroot "$root" "$@"
    else
        unshare --user --map-root-user chroot "$root" "$@"
    fi
}

says_version() {
    [ "$(inside /usr/bin/xbar --version | cut -d' ' -f1)" = xbar ]
}

runs_its_guest() {
    inside /usr/bin/xbar profile -o /tmp/report >"$work/profile" &&
        grep -q 'instructions' "$work/profile" &&
        [ -s "$root/tmp/report/report.html" ]
}

# The root is not usable by chance: without the library nothing starts.
needs_the_library() {
    rm "$root"/usr/lib/*/libxbar.so.0* && ! inside /usr/bin/xbar --version
}

# ---- Building against the unpacked -dev package -----------------------------

builds_a_program() {
    local deb flags lib
    for deb in "$packages"/libxbar*.deb; do
        dpkg-deb -x "$deb" "$work/dev" || return 1
    done
    lib=$(dirname "$(find "$work/dev" -name libxbar.a)")
    read -ra flags < <(PKG_CONFIG_PATH=$lib/pkgconfig \
        pkg-config --cflags --libs xbar)
    "$XBAR_CC" -Werror -o "$work/hello" \
        "$XBAR_SOURCE_DIR/docs/examples/hello_region.c" "${flags[@]}" &&
        LD_LIBRARY_PATH=$lib "$work/hello" |
        diff - "$XBAR_SOURCE_DIR/docs/examples/hello_region.expected"
}

check "the packages are made" make_packages
check "lintian has nothing to say" lintian_is_content
check "each has what is its own" each_has_its_own
check "adapters have packages of their own" adapters_have_theirs
check "a root of what they depend on" fill_root
check "the program starts there" says_version
check "the program runs its guest there" runs_its_guest
check "not without the library" needs_the_library
check "a program is built against them" builds_a_program
finish
