# SPDX-License-Identifier: MIT
"""What tests of the service need over and over: rules, drop-ins, clients that stay connected."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Self

from .project import REPOSITORY

if TYPE_CHECKING:
    from types import TracebackType

    from .machine import Machine

UNIT = "fdbrokerd.service"
SOCKET = "fdbrokerd.socket"
PATH = "/run/fdbrokerd/io.fdbroker"
ABSTRACT = "@fdbrokerd"

PERSON = 1234
"""A uid that the shipped rule lets have terminals."""

EVERYBODY_PROBES = """
resources:
  probe: {kind: file, path: /etc/hostname, access: read}
rules:
  - {id: everybody-probes, allow: probe, peer: {uid: "0-65533"}}
"""

# Varlink by hand, so that a test sees what is on the wire: a line in is a call, a line out the
# reply and the number of descriptors that came with it.
TALK = """
import array, json, socket, sys
address = sys.argv[1].replace("@", chr(0))
with socket.socket(socket.AF_UNIX) as connection:
    connection.connect(address)
    print(flush=True)
    for line in sys.stdin:
        data, descriptors = b"", array.array("i")
        try:
            connection.sendall(line.strip().encode() + bytes(1))
            while not data.endswith(bytes(1)):
                chunk, ancillary, _, _ = connection.recvmsg(65536, 4096)
                for _, _, rights in ancillary:
                    descriptors.frombytes(rights)
                if not chunk:
                    break
                data += chunk
        except ConnectionError:
            pass
        print(json.dumps([data[:-1].decode(), len(descriptors)]), flush=True)
"""


# Connects and asks until there is input, then says how often it was answered and how often hung up
# on. A connection that is refused ends it with a traceback.
KNOCK = """
import select, socket, sys
outcomes = [0, 0]
while not select.select([sys.stdin], [], [], 0)[0]:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(sys.argv[1])
        try:
            connection.sendall(b'{"method":"io.fdbroker.Broker.WhoAmI"}' + bytes(1))
            reply = connection.recv(65536)
        except ConnectionError:
            reply = b""
    outcomes[0 if reply else 1] += 1
    if sum(outcomes) == 1:
        print(flush=True)
print(*outcomes)
"""


class HungUp(Exception):
    """The broker ended the connection without an answer."""


class Talker:
    """A client in the machine that stays connected; a context manager."""

    def __init__(self, machine: Machine, address: str = PATH, *, user: int = 0) -> None:
        self._process = machine.popen("python3", "-Ic", TALK, address, user=user)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._calls, self._replies = self._process.stdin, self._process.stdout
        assert self._replies.readline() == "\n", "not connected"

    def __enter__(self) -> Self:
        """Return it, connected."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Disconnect."""
        with self._process as process:
            process.kill()

    def ask(self, method: str, **parameters: object) -> None:
        """Send a call to the Broker interface."""
        call = {"method": f"io.fdbroker.Broker.{method}", "parameters": parameters}
        self._calls.write(f"{json.dumps(call)}\n")
        self._calls.flush()

    def answer(self) -> tuple[str, int]:
        """Return the error's short name, empty for none, and the number of descriptors."""
        text, descriptors = json.loads(self._replies.readline())
        if not text:
            raise HungUp
        return json.loads(text).get("error", "").rpartition(".")[2], descriptors

    def call(self, method: str, **parameters: object) -> tuple[str, int]:
        """Ask and wait for the answer."""
        self.ask(method, **parameters)
        return self.answer()


def rule_file(text: str, name: str = "60-test") -> dict[str, str]:
    """Return an administrator's rule file for Machine.write."""
    return {f"/etc/fdbrokerd/rules.d/{name}.yaml": f"fdbroker: 1\n{text}"}


def drop_in(machine: Machine, text: str) -> None:
    """Change the service's unit until the next boot, or until `restore`."""
    machine.write({f"/run/systemd/system/{UNIT}.d/test.conf": f"[Service]\n{text}\n"})
    machine.systemctl("daemon-reload")


def shipped_drop_in(machine: Machine, name: str) -> None:
    """Install one of the drop-ins that ship, as an administrator would; `restore` removes it."""
    text = (REPOSITORY / "systemd/drop-ins" / name).read_text()
    machine.write({f"/run/systemd/system/{UNIT}.d/{name}": text})
    machine.systemctl("daemon-reload")


def restore(machine: Machine) -> None:
    """Stop everything, and take away what a test has written."""
    script = (
        f"systemctl stop {SOCKET} {UNIT}\n"
        f"rm -rf /etc/fdbrokerd/rules.d /run/systemd/system/{UNIT}.d\n"
        "systemctl daemon-reload\n"
        "systemctl reset-failed\n"
    )
    machine.run("sh", "-ec", script)
