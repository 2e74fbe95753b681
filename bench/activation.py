# SPDX-License-Identifier: MIT
"""Socket activation: from a client's connect, which starts the server, to its first descriptor."""

import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench.burst import Mode, Place
from bench.child import PATIENCE, Child
from bench.ground import Ground
from bench.measured import Measured
from bench.peers.asyncvarlink import SERVICE
from bench.peers.broker import COMMAND, NAME, Setting, configure
from bench.peers.peer import Peer
from bench.peers.varlink import FILE, SIMPLE

FIRST = "first file through systemd-socket-activate, {place}, {peer}"


def measure(ground: Ground, directory: Path, rounds: int, measured: Measured) -> None:
    """Start each in turn, so often, in both places."""
    if shutil.which("systemd-socket-activate") is None:
        measured.missing["systemd-socket-activate"] = "not installed"
        return
    for _ in range(rounds):
        for place in Place:
            for name in ("floor", NAME, "asyncvarlink"):
                with tempfile.TemporaryDirectory(dir=directory) as own:
                    elapsed = _first(name, place, ground, Path(own))
                measured.add_figure(FIRST.format(place=place.value, peer=name), elapsed)


def _command(name: str, ground: Ground, directory: Path) -> Sequence[str | Path]:
    if name == NAME:
        configure(directory, Setting())
        return ground.python(*COMMAND, str(directory / "fdbrokerd.yaml"))
    (directory / "data").write_text("data\n")
    if name == "floor":
        return (ground.binaries.floor, "-", directory)
    return ground.python(*SERVICE, "-", str(directory))


def _first(name: str, place: Place, ground: Ground, directory: Path) -> float:
    address = str(directory / "socket")
    passed = [f"--setenv={name}" for name in ground.variables]
    command: list[str | Path] = ["systemd-socket-activate", "-l", address, "--fdname=varlink"]
    command += [*passed, *_command(name, ground, directory)]
    with Child(command, log=directory / "log", variables=ground.variables) as child:
        end = time.monotonic() + PATIENCE
        while "Listening on" not in child.said():  # the path is there before
            if time.monotonic() > end or child.process.poll() is not None:
                raise RuntimeError(f"systemd-socket-activate does not listen: {child.said()}")
            time.sleep(0.005)
        peer = Peer(name, "", child, address, {FILE: SIMPLE[FILE]}, ground.binaries.client)
        return peer.burst(FILE, Mode.EACH, place, 1, 0).median
