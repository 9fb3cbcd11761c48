#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Every benchmark once, briefly: each checks what came of its operations."""

import json
import tempfile
from pathlib import Path

import common
from tap import Tap

from report import ratios, results

# A benchmark that is not in the table was lost on the way.
AREAS = ["floors", "dispatch", "access", "regions", "flatview", "latency",
         "tlb", "emit", "hart", "interp", "code", "snapshot",
         "threads"]


def unmatched_rules(names):
    """Rules that name a floor or peer which no program has."""
    for name in sorted(names):
        floor, peers = ratios.rule_for(name)
        for other in [floor] if floor else []:
            if other not in names:
                yield f"{name} has the floor {other}, which is not measured"
        for other in peers:
            area = other.split("/")[0]
            if area + "/" in "".join(names) and other not in names:
                yield f"{name} has the peer {other}, which is not measured"


def main():
    tap = Tap()
    with tempfile.TemporaryDirectory() as folder:
        run = common.bench("--brief", "--output", folder)
        tap.case("the benchmarks run", [] if run.returncode in (0, 1)
                 else run.stderr.splitlines()[-5:])
        path = Path(folder) / "bench.json"
        document = json.loads(path.read_text()) if path.exists() else {}
    if not document:
        tap.end()
    found = results.figures(document)
    for name, figure in found.items():
        tap.case(name, [figure.error] if figure.error else [])
    tap.case("every area is one that the report knows",
             {name.split("/")[0] for name in found}
             - set(ratios.AREAS) - {"unicorn", "kvm"})
    tap.case("every area has figures",
             (area for area in AREAS
              if not any(n.startswith(area + "/") for n in found)))
    skipped = document["context"]["xbar_skipped"]
    for peer, why in skipped.items():
        print(f"# not measured: {peer}: {why}")
    tap.case("Unicorn is measured beside them",
             [skipped["unicorn"]] if "unicorn" in skipped else [])
    tap.case("floors and peers that figures are compared with exist",
             unmatched_rules(set(found)))
    tap.end()


if __name__ == "__main__":
    main()
