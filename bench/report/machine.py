# SPDX-License-Identifier: MIT
"""What the figures were taken on."""

import datetime
import os
import platform
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def read(path, otherwise=""):
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return otherwise


def first_line(command):
    """Of what a command prints; "" if there is none."""
    try:
        run = subprocess.run(command, stdout=subprocess.PIPE, text=True,
                             stderr=subprocess.DEVNULL, check=False,
                             timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return run.stdout.splitlines()[0].strip() if run.stdout.strip() else ""


def cpu_model():
    found = re.search(r"^model name\s*:\s*(.+)$", read("/proc/cpuinfo"), re.M)
    return found.group(1) if found else platform.machine()


def distribution():
    found = re.search(r'^PRETTY_NAME="?([^"\n]+)', read("/etc/os-release"),
                      re.M)
    return found.group(1) if found else platform.system()


def revision():
    """The commit, with a mark if the tree differs from it."""
    return first_line(["git", "-C", str(ROOT), "describe", "--always",
                       "--dirty", "--abbrev=12"])


def kvm_back_end():
    """Which module runs virtual machines: kvm_amd, kvm_intel, ..."""
    return ", ".join(sorted(path.name for path in Path("/sys/module").glob(
        "kvm_*")))


def describe():
    """Our part of the context."""
    return {
        "xbar_cpu": cpu_model(),
        "xbar_cpus": len(os.sched_getaffinity(0)),
        "xbar_kernel": platform.release(),
        "xbar_system": distribution(),
        "xbar_compiler": first_line(["cc", "--version"]),
        "xbar_qemu": first_line(["qemu-system-riscv64", "--version"]),
        "xbar_unicorn": first_line(["pkg-config", "--modversion", "unicorn"]),
        "xbar_kvm": kvm_back_end(),
        "xbar_revision": revision(),
        "xbar_started": datetime.datetime.now().astimezone().isoformat(
            timespec="seconds"),
        "xbar_load_before": list(os.getloadavg()),
    }


def summary(context):
    """One sentence on the machine, and one on the software."""
    load = context.get("xbar_load_before", [0])[0]
    yield (f"{context.get('xbar_cpus', '?')} CPUs of"
           f" {context.get('xbar_cpu', '?')}; {context.get('xbar_system', '')},"
           f" Linux {context.get('xbar_kernel', '')};"
           f" load average before: {load:.1f}")
    parts = [context.get("xbar_compiler", ""), context.get("xbar_qemu", "")]
    if context.get("xbar_unicorn"):
        parts.append(f"Unicorn {context['xbar_unicorn']}")
    if context.get("xbar_kvm"):
        parts.append(f"KVM by {context['xbar_kvm']}")
    if context.get("xbar_guest_hash"):
        parts.append(f"guests {context['xbar_guest_hash'][:12]}")
    parts.append(f"xbar {context.get('xbar_revision') or 'of no commit'}")
    yield "; ".join(part for part in parts if part)
