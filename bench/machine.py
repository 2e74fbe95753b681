# SPDX-License-Identifier: MIT
"""What a result depends on beside the code: the machine, its load, versions."""

import os
import platform
import subprocess
import time
from importlib import metadata
from pathlib import Path


def package_version(name: str) -> str:
    """Return the version of a Debian package, empty where it is none."""
    try:
        return subprocess.run(
            ["dpkg-query", "-W", "-f", "${Version}", name],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return ""


def distribution_version(name: str) -> str:
    """Return the version of a Python distribution, empty where it is not installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            return value.strip()
    return platform.machine()


def _commit(top: Path) -> str:
    """Return the commit of a checkout, marked where files differ from it."""
    try:
        return subprocess.run(
            ["git", "-C", top, "describe", "--always", "--dirty"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def facts(top: Path) -> dict[str, str]:
    """Return what to say beside the numbers."""
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "fdbrokerd": _commit(top),
        "kernel": platform.release(),
        "processor": f"{_processor()}, {len(os.sched_getaffinity(0))} of them",
        "load before": " ".join(f"{load:.2f}" for load in os.getloadavg()),
    }
