#!/bin/busybox sh
# SPDX-License-Identifier: MIT
# The first and only program of the test guests: /init of the initramfs.
#
# Each line that it prints for the host begins with "T ":
#
#   T GUEST-BEGIN KERNEL      it runs
#   T ok NAME                 a step gave what it gives elsewhere
#   T FAIL NAME got=X not=Y   it did not
#   T t=SECONDS NAME          the guest's uptime when the step was over
#   T GUEST-OK, T GUEST-BAD   all of it is over
#
# Words of the kernel's command line choose:
#
#   t=full     all steps (default)
#   t=quick    the first one only
#   t=shell    a shell at once;  t=keep: a shell after the steps
#
# Modules in /m are loaded first, in the order of their names. If there is a
# /job (an archive behind this one may bring it), it runs after the steps, with
# `check` and `mark` below at hand.

busybox=/bin/busybox
$busybox mount -t proc proc /proc
$busybox mount -t sysfs sysfs /sys
$busybox mount -t devtmpfs devtmpfs /dev
$busybox --install -s /bin
export PATH=/bin LC_ALL=C

mode=full
for word in $(cat /proc/cmdline); do
    case $word in t=*) mode=${word#t=} ;; esac
done
bad=

mark() {
    read -r uptime rest </proc/uptime
    echo "T t=$uptime $1"
}

# check NAME WANTED GOT
check() {
    if [ "$2" = "$3" ]; then
        echo "T ok $1"
    else
        echo "T FAIL $1 got=$3 not=$2"
        bad=1
    fi
    mark "$1"
}

digest() { # of standard input, by the program named
    "$1" | { read -r sum rest; echo "$sum"; }
}

# The sums below were computed by other programs, on other machines.
step_hash() { # 16 MiB of one byte
    check hash 2c7ab85a893283e98c931e9511add182 "$(
        head -c 16777216 /dev/zero | digest md5sum)"
}

step_loop() { # the shell alone
    local i=0 sum=1
    while [ $i -lt 20000 ]; do
        sum=$(((sum * 33 + i) % 999983))
        i=$((i + 1))
    done
    check loop 711220 $sum
}

step_awk() { # many small writes
    awk 'BEGIN { x = 7; for (i = 0; i < 20000; i++) {
        x = (x * 7919 + 12345) % 1000003
        printf "%07d %d\n", x, i
    } }' >/tmp/numbers
    check awk 262378a70c912fa62cbf3526478b3cd0 "$(digest md5sum </tmp/numbers)"
}

sorted_sum=1c4b76979e60cf2060ea2f1a7adfd4e5a4c5cdf64446742fa1eaf24cc3c1e0cf

step_sort() {
    sort /tmp/numbers >/tmp/sorted
    check sort "$sorted_sum" "$(digest sha256sum </tmp/sorted)"
}

step_gzip() { # there and back
    gzip -c /tmp/sorted >/tmp/sorted.gz
    check gzip "$sorted_sum" "$(gzip -dc /tmp/sorted.gz | digest sha256sum)"
}

step_float() { # square roots by Newton's iteration
    check float 288.114256380 "$(awk 'BEGIN {
        sum = 0
        for (i = 1; i <= 20000; i++) {
            x = i * 0.37; r = x
            for (k = 0; k < 5; k++) r = 0.5 * (r + x / r)
            sum += r / i
        }
        printf "%.9f", sum }')"
}

step_fork() {
    local i=0
    while [ $i -lt 50 ] && $busybox true; do i=$((i + 1)); done
    check fork 50 $i
}

for module in /m/*.ko; do
    [ -e "$module" ] || continue
    insmod "$module" || echo "T FAIL $module"
done

mark begin
echo "T GUEST-BEGIN $(uname -s -m)"
[ "$mode" = shell ] && exec sh

check shell 42 $((6 * 7))
if [ "$mode" != quick ]; then
    for step in hash loop awk sort gzip float fork; do step_$step; done
fi
[ -e /job ] && . /job

if [ -z "$bad" ]; then echo "T GUEST-OK"; else echo "T GUEST-BAD"; fi
[ "$mode" = keep ] && exec sh
poweroff -f
