# SPDX-License-Identifier: MIT
"""What the tests of the benchmarks share."""

import os
import subprocess
import sys
from pathlib import Path

SOURCE = Path(os.environ["XBAR_SOURCE_DIR"])
BUILD = Path(os.environ["XBAR_BUILD_DIR"])
sys.path[:0] = [str(SOURCE / "bench"), str(SOURCE / "tests"),
                str(SOURCE / "tests" / "checks")]

RUN = SOURCE / "bench" / "run.py"


def bench(*arguments):
    """Runs bench/run.py as ./dev bench does."""
    return subprocess.run(
        [sys.executable, RUN, "--build", BUILD, *map(str, arguments)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, check=False)


def row(name, number, ns, **more):
    """A row of google-benchmark's JSON."""
    return {"name": name, "run_name": name, "run_type": "iteration",
            "repetition_index": number, "threads": 1, "iterations": 1,
            "real_time": ns, "cpu_time": ns, "time_unit": "ns",
            "xbar_clock": "cpu", **more}
