# SPDX-License-Identifier: MIT
"""A kind of another package that opens when a test lets it, in an opener child."""

import os
from pathlib import Path
from types import TracebackType
from typing import Self

from .process import take_byte

MODULE = '''\
"""Waits at one FIFO, having said at another that it does."""

import os
from dataclasses import dataclass

from fdbrokerd.fd import OwnedFd
from fdbrokerd.model.key import Key, Text
from fdbrokerd.opened import Opened


@dataclass(frozen=True)
class Spec:
    directory: str


class Slow:
    name = "slow"
    verbs = frozenset({"get"})
    keys = {"directory": Key(Text(), "where the FIFOs are", required=True)}
    arguments = {}
    descriptors = ("null",)
    many = False

    def spec(self, values, arguments):
        return Spec(values.text("directory"))

    def may_block(self, spec):
        return True

    def holding(self, spec):
        return None

    def wanted(self, request):
        return None

    def open(self, spec, request, peer, *, may_wait):
        assert may_wait
        with OwnedFd(os.open(f"{spec.directory}/begun", os.O_WRONLY)) as begun:
            os.write(begun.fileno(), b"!")
        with OwnedFd(os.open(f"{spec.directory}/gate", os.O_RDONLY)):
            pass
        return Opened({"null": OwnedFd(os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC))})


KIND = Slow()
'''

METADATA = {
    "METADATA": "Metadata-Version: 2.1\nName: slow-kind\nVersion: 1\n",
    "entry_points.txt": "[fdbrokerd.kinds]\nslow = slow_kind:KIND\n",
}

RULES = """
resources:
  slow: {kind: slow, directory: $DIR}
  pty: {kind: pty}
rules:
  - {id: all, allow: [slow, pty], peer: {uid: ["0", "1000-59999"]}}
"""


class SlowKind:
    """The package in a directory of its own, and the test's ends of the two FIFOs."""

    def __init__(self, directory: Path) -> None:
        """Write it; `packages` belongs into PYTHONPATH."""
        self.packages = str(directory / "packages")
        metadata = directory / "packages" / "slow_kind-1.dist-info"
        metadata.mkdir(parents=True)
        (directory / "packages" / "slow_kind.py").write_text(MODULE)
        for name, text in METADATA.items():
            (metadata / name).write_text(text)
        for name in ("begun", "gate"):
            os.mkfifo(directory / name)
        self._gate = directory / "gate"
        self._begun = os.open(directory / "begun", os.O_RDWR | os.O_CLOEXEC)  # never at its end

    def wait_begun(self) -> None:
        """Return when a child waits, or is about to."""
        take_byte(self._begun)

    def let_go(self) -> None:
        """Let all children that wait go on."""
        os.close(os.open(self._gate, os.O_WRONLY | os.O_CLOEXEC))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._begun)
