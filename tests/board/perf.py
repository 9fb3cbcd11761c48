# SPDX-License-Identifier: MIT
"""perf on a run of profile --perf: what it names."""

import collections
import os
import re
import shutil
import subprocess

from guestio import XBAR, check, need


def perf(*options):
    """What perf prints."""
    return subprocess.run(["perf", *options], check=True, capture_output=True,
                          text=True).stdout


def record(folder, *options):
    """(perf's data with what the dump says; the map) of a run of profile."""
    need(shutil.which("perf"), "no perf")
    data, named, pid = (os.path.join(folder, name)
                        for name in ("perf.data", "perf.named", "pid"))
    made = subprocess.run(
        ["perf", "record", "-k", "mono", "-o", data, "sh", "-c",
         'echo $$ > "$0"; exec "$@"', pid, XBAR, "profile", "--perf",
         "--measure", "samples", "-o", folder, *options],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    need(made.returncode == 0 and os.path.exists(data),
         "perf does not run here: " + made.stderr[-200:].replace("\n", " "))
    with open(pid, encoding="ascii") as file:
        path = f"/tmp/perf-{file.read().strip()}.map"
    with open(path, encoding="utf-8") as file:
        mapped = file.read()
    os.unlink(path)
    perf("inject", "--jit", "-i", data, "-o", named)
    return named, mapped


def counts(named):
    """Samples of guest functions, by name, as perf script has them."""
    return collections.Counter(
        symbol for symbol in re.findall(r"^ *[0-9a-f]+ (\S+)$", perf(
            "script", "-i", named, "-F", "ip,sym"), re.M))


def check_annotated(named, name):
    """perf annotate shows the host code of a guest function, with shares."""
    said = perf("annotate", "--stdio", "-i", named, "-s", name)
    check(re.search(r"^ +\d+\.\d+ .* (?:add|mov|xor|lea|shr|sub)", said, re.M),
          said)
