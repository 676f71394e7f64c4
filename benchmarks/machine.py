"""What the figures hold for: the machine, the versions, the command."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from collections.abc import Sequence
from datetime import date
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

from threadpoolctl import threadpool_info

from interface import Peer


def about(loaded: Sequence[Peer], n_threads: int, bandwidth: float) -> dict[str, str]:
    """Describe a run. Called when the peers are loaded, so that their pools of threads are known."""
    pools = sorted({f"{pool['internal_api']} {pool['num_threads']}" for pool in threadpool_info()})
    return {
        "date": date.today().isoformat(),
        "cpu": cpu_name(),
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "threads": f"{n_threads} (loaded pools: {', '.join(pools)})",
        "load": f"{os.getloadavg()[0]:.1f} processes in the minute before" if hasattr(os, "getloadavg") else "unknown",
        "read bandwidth": f"{bandwidth / 1e9:.1f} GB/s",
        "versions": ", ".join(f"{peer.distribution} {version(peer.distribution)}" for peer in loaded),
        "steepest": f"commit {commit()}",
        "command": " ".join(["python benchmarks", *sys.argv[1:]]),
    }


def commit() -> str:
    """The commit of the Steepest that is installed, if it is used where it lies in a repository."""
    folder = Path(next(iter(import_module("steepest").__path__)))
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def cpu_name() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*:\s*(.+)", cpuinfo.read_text()) if cpuinfo.exists() else None
    return found[1].strip() if found else platform.processor() or platform.machine()


def file_stem() -> str:
    """Today's date and the processor, as a file is called."""
    return f"{date.today().isoformat()}-{re.sub(r'[^a-z0-9]+', '-', cpu_name().lower()).strip('-')}"
