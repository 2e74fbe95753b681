# SPDX-License-Identifier: MIT
"""`journalctl -x` explains the broker's records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fdbrokerd.audit.record import REQUEST_ID, VIOLATION_ID

from .service import PATH

if TYPE_CHECKING:
    from .machine import Machine


def test_records_are_explained(service: Machine) -> None:
    service.run("journalctl", "--update-catalog")
    denied = service.run("fdbroker-get", "nothing", user=1234, check=False)
    assert denied.returncode == 77
    talk = (
        "import socket; s = socket.socket(socket.AF_UNIX); "
        f"s.connect({PATH!r}); s.sendall(b'no json' + bytes(1)); s.recv(1)"
    )
    service.run("python3", "-Ic", talk)

    (record,) = service.wait_for_journal("FDBROKER_OUTCOME=denied", "FDBROKER_PEER_UID=1234")
    assert record["MESSAGE_ID"] == REQUEST_ID
    request = record["FDBROKER_REQUEST"]
    told = _explained(service, f"FDBROKER_REQUEST={request}")
    assert "A request for descriptors was denied" in told
    assert f"fdbrokerctl explain --request {request}" in told

    (record,) = service.wait_for_journal(f"MESSAGE_ID={VIOLATION_ID}")
    assert "The broker hung up on a connection" in _explained(service, f"MESSAGE_ID={VIOLATION_ID}")


def _explained(machine: Machine, match: str) -> str:
    """Return what `journalctl -x` says of the records that match."""
    return machine.run("journalctl", "--no-pager", "--catalog", match).stdout
