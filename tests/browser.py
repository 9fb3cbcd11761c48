# SPDX-License-Identifier: MIT
"""A page as a headless Chromium has it after its scripts ran, without a net."""

import subprocess
import tempfile

OPTIONS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
           "--disable-background-networking", "--disable-component-update",
           "--disable-sync", "--disable-extensions", "--no-proxy-server",
           "--host-resolver-rules=MAP * ~NOTFOUND",
           "--enable-logging=stderr", "--v=0"]


def browse(chromium, uri, budget_ms, *options):
    """(the page's text, what the console said), @budget_ms of its time later"""
    with tempfile.TemporaryDirectory() as profile:
        done = subprocess.run(
            [chromium, *OPTIONS, f"--virtual-time-budget={budget_ms}",
             f"--user-data-dir={profile}", *options, "--dump-dom", uri],
            capture_output=True, text=True, check=False, timeout=600)
    said = [line for line in done.stderr.splitlines() if ":CONSOLE" in line]
    return done.stdout, said
