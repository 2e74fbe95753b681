# SPDX-License-Identifier: MIT
"""Programs from exec to exit, and the daemon from exec to READY, as a package installs them."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.burst import Place
from bench.ground import Ground, tree
from bench.measured import Measured
from bench.peers.broker import Setting, configure
from bench.peers.peer import Peer, processors
from bench.stage import LAP

NOTHING = "python3 -I -S -c pass"
PLAIN = "python3 -c pass"
GET = "fdbroker-get file --fd 3 -- true"
GET_REPLY = "fdbroker-get --json file"
VARLINKCTL = "varlinkctl call … Get"
READY = "fdbrokerd to READY=1"
TRUE = "true"

LAP_SECONDS = 240.0


def _commands(address: str, settings: Path) -> Mapping[str, Sequence[str]]:
    get = ("/usr/bin/fdbroker-get", "--socket", address)
    call = ("/usr/bin/varlinkctl", "call", f"unix:{address}", "io.fdbroker.Broker.Get")
    return {
        NOTHING: ("/usr/bin/python3", "-I", "-S", "-c", "pass"),
        GET: (*get, "file", "--fd", "3", "--", "/usr/bin/true"),
        VARLINKCTL: (*call, '{"resource":"file"}'),
        GET_REPLY: (*get, "--json", "file"),
        TRUE: ("/usr/bin/true",),
        PLAIN: ("/usr/bin/python3", "-c", "pass"),
        READY: ("ready", "/usr/bin/fdbrokerd", "--config", str(settings)),
    }


def measure(ground: Ground, directory: Path, server: Peer, rounds: int, measured: Measured) -> None:
    """Run each in turn, so often, in both places; `server` answers the clients among them.

    `directory` is empty and for this alone: the settings for READY, with 100 rules, go there.
    """
    if not ground.in_tree:
        measured.missing["programs"] = f"needs root, and a tree at {tree()} (tools/make-tree)"
        return
    configure(directory, Setting())
    commands = _commands(server.address, directory / "fdbrokerd.yaml")
    for place in Place:
        server.settle(place)
        _laps(place, ground, commands, rounds, measured)


def name_of(program: str, place: Place) -> str:
    """Return the figure's name."""
    return f"{program}, {place.value}"


def _laps(
    place: Place,
    ground: Ground,
    commands: Mapping[str, Sequence[str]],
    rounds: int,
    measured: Measured,
) -> None:
    line = ["setpriv", "--pdeathsig", "KILL", *ground.prefix, LAP]
    if place is Place.PINNED:
        line += ["-k", str(max(processors(place)))]
    line.append(str(rounds + 1))
    for command in commands.values():
        line += [*command, "+"]
    ended = subprocess.run(
        line,
        check=False,
        capture_output=True,
        text=True,
        timeout=LAP_SECONDS,
        env={**os.environ, **ground.variables},
    )
    if ended.returncode != 0:
        raise RuntimeError(f"the programs cannot be run: {ended.stderr}")
    names = list(commands)
    for number, lap in enumerate(ended.stdout.splitlines()):
        index, elapsed, _, status = map(int, lap.split())
        if status != 0:
            raise RuntimeError(f"{names[index]} ends with status {status}: {ended.stderr}")
        if number >= len(names):  # the first round warms the page cache
            measured.add_figure(name_of(names[index], place), elapsed)
