# SPDX-License-Identifier: MIT
"""fdbrokerd itself, from this checkout, as its extra `fast` installs it: on uvloop."""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.child import Child
from bench.ground import Ground
from bench.machine import distribution_version
from bench.peers.manager import Manager
from bench.peers.peer import Peer
from bench.peers.rules import ruleset
from bench.peers.varlink import OF_BROKER
from fdbrokerd import Client

NAME = "fdbrokerd"


@dataclass(frozen=True, slots=True)
class Setting:
    """How one differs from the others."""

    name: str = NAME
    rules: int = 100
    """About others."""
    facts: bool = False
    """Those rules name programs, so that each peer's process is looked at when it connects."""
    audit: bool = True
    """To a file."""
    crowd: bool = False
    """A hundred other users may get what is stored."""


_SETTINGS = """\
fdbroker: 1
listen: [{{address: "{address}"}}]
rules-dirs: ["{directory}/rules.d"]
limits: {{connections: 15000, connections-per-uid: 15000}}
audit: {{journal: false{audit}}}
"""


def configure(directory: Path, setting: Setting) -> str:
    """Write its files; return its address."""
    address = f"@fdbroker-bench-{secrets.token_hex(8)}"
    audit = f', file: "{directory}/audit"' if setting.audit else ""
    settings = _SETTINGS.format(address=address, directory=directory, audit=audit)
    rules = directory / "rules.d"
    rules.mkdir()
    (directory / "fdbrokerd.yaml").write_text(settings)
    text = ruleset(str(directory), setting.rules, facts=setting.facts, crowd=setting.crowd)
    (rules / "bench.yaml").write_text(text)
    (directory / "data").write_text("data\n")
    return address


COMMAND = ("-m", "fdbrokerd.cli.daemon", "--config")


@contextmanager
def broker(
    ground: Ground,
    directory: Path,
    setting: Setting | None = None,
    command: Sequence[str] = COMMAND,
) -> Iterator[Peer]:
    """Run it in a directory that is its own, with a descriptor stored."""
    setting = setting or Setting()
    address = configure(directory, setting)
    with Manager() as manager:
        variables = {**ground.variables, **manager.variables}
        line = ground.python(*command, str(directory / "fdbrokerd.yaml"))
        with Child(line, log=directory / "log", variables=variables) as child:
            manager.await_ready(child)
            with Client(address) as client, (directory / "data").open() as data:
                client.put("store/one", data)
            version = distribution_version("fdbrokerd") or "this checkout"
            yield Peer(setting.name, version, child, address, OF_BROKER, ground.binaries.client)
