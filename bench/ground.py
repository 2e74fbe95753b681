# SPDX-License-Identifier: MIT
"""Where what is measured runs: in the Debian tree where there is one, else as we do.

What a package's user gets is Debian's own interpreter with Debian's uvloop and msgspec; one that
somebody built by himself may need twice the time for the same work. All servers and clients in
Python run on the same one.
"""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.binaries import Binaries
from bench.child import Child
from bench.stage import TOP, prepare

_ASK = """\
import sys, msgspec, uvloop
print(sys.version.split()[0], msgspec.__version__, uvloop.__version__)
"""

_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class Ground:
    """The compiled programs, and how to run one in Python."""

    binaries: Binaries
    prefix: tuple[str, ...] = ()
    """What enters the tree and becomes the command."""
    interpreter: str = sys.executable
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def in_tree(self) -> bool:
        """Tell whether it is the tree."""
        return bool(self.prefix)

    def python(self, *arguments: str) -> list[str]:
        """Return the command that runs Python with these arguments."""
        return [*self.prefix, self.interpreter, *arguments]

    def versions(self) -> dict[str, str]:
        """Return the versions of the interpreter and of what fdbrokerd uses."""
        said = subprocess.run(
            self.python("-c", _ASK),
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **self.variables},
        ).stdout.split()
        found = dict(zip(("Python", "msgspec", "uvloop"), said, strict=True))
        if self.in_tree:
            ask = [*self.prefix, "/usr/bin/varlinkctl", "--version"]
            told = subprocess.run(ask, check=True, stdout=subprocess.PIPE, text=True).stdout
            found["varlinkctl"] = told.splitlines()[0]
        return found


def tree() -> Path:
    """Return where tools/make-tree puts the tree."""
    trees = os.environ.get("FDBROKER_TREES", "/var/tmp/fdbrokerd-trees")  # noqa: S108
    return Path(trees) / "trixie"


@contextmanager
def ground(binaries: Binaries, directory: Path) -> Iterator[Ground]:
    """Make it ready; what is below `directory` is seen from there under the same name."""
    if os.geteuid() != 0 or not (tree() / "usr/bin/python3").exists():
        yield Ground(binaries, variables={"PYTHONPATH": str(TOP)})
        return
    stage, place = directory / "stage", directory / "place"
    place.mkdir()
    prepare(stage, binaries)
    script = str(Path(__file__).with_name("tree.sh"))
    command = ["unshare", "--mount", "--propagation", "private", "sh", script]
    command += map(str, (tree(), stage, directory, place))
    with Child(command, log=directory / "log", speaks=True) as child:
        child.hear()
        enter = ("nsenter", f"--mount=/proc/{child.pid}/ns/mnt", "chroot", f"{place}/root")
        # As for a package's user: no virtual environment on PATH.
        yield Ground(binaries, enter, "/usr/bin/python3", {"PATH": _PATH, "LANG": "C.UTF-8"})
