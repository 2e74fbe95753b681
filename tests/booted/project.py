# SPDX-License-Identifier: MIT
"""The project as a distribution package would lay it out, put into a machine that runs."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .machine import Machine

REPOSITORY = Path(__file__).parents[2]

MODULES = "/usr/lib/python3/dist-packages"
SITE = "/usr/lib/fdbrokerd-site"
"""Where boot.sh shows the machine's extra directory of Python packages."""

PLACES = {
    "systemd/fdbrokerd.service": "/usr/lib/systemd/system/fdbrokerd.service",
    "systemd/fdbrokerd.socket": "/usr/lib/systemd/system/fdbrokerd.socket",
    "systemd/fdbrokerd.catalog": "/usr/lib/systemd/catalog/fdbrokerd.catalog",
    "systemd/fdbrokerd.sysusers": "/usr/lib/sysusers.d/fdbrokerd.conf",
    "systemd/fdbrokerd.tmpfiles": "/usr/lib/tmpfiles.d/fdbrokerd.conf",
    "config/fdbrokerd.yaml": "/etc/fdbrokerd/fdbrokerd.yaml",
    "config/rules.d/50-pty.yaml": "/usr/lib/fdbrokerd/rules.d/50-pty.yaml",
    **{
        f"systemd/drop-ins/{path.name}": f"/usr/share/fdbrokerd/drop-ins/{path.name}"
        for path in (REPOSITORY / "systemd" / "drop-ins").iterdir()
    },
}
"""What goes where besides the modules and programs."""


def install(machine: Machine) -> None:
    """Install the working copy, and tell systemd."""
    package = REPOSITORY / "fdbrokerd"
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    files = {
        f"{MODULES}/fdbrokerd/{path.relative_to(package)}": path.read_bytes()
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    files |= {place: (REPOSITORY / source).read_bytes() for source, place in PLACES.items()}
    machine.write({**files, **_metadata(project)})
    if machine.site is not None:
        machine.write({f"{MODULES}/fdbrokerd-site.pth": f"{SITE}\n"})
    programs = {
        f"/usr/bin/{program.name}": program.read_bytes()
        for program in (REPOSITORY / "packaging/programs").iterdir()
    }
    machine.write(programs, mode=0o755)
    machine.run("systemd-sysusers", "fdbrokerd.conf")
    machine.run("systemd-tmpfiles", "--create", "fdbrokerd.conf")
    machine.run("/usr/bin/python3", "-Im", "compileall", "-q", f"{MODULES}/fdbrokerd")
    machine.systemctl("daemon-reload")


def _metadata(project: dict[str, Any]) -> dict[str, str]:
    """Make the dist-info directory, with the version and the entry points."""
    version = project["version"]
    lines = [
        line
        for group, entries in project.get("entry-points", {}).items()
        for line in (f"[{group}]", *(f"{name} = {entry}" for name, entry in entries.items()))
    ]
    info = f"{MODULES}/fdbrokerd-{version}.dist-info"
    return {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: fdbrokerd\nVersion: {version}\n",
        f"{info}/entry_points.txt": "\n".join(lines) + "\n",
    }
