# SPDX-License-Identifier: MIT
"""Both clients and the real broker."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fdbrokerd import AsyncClient, Client, Denied, InvalidArgument, OpenFailed
from tests.cli.brokers import environment, running_broker

RULES = """
fdbroker: 1
resources:
  pty: {{kind: pty}}
  note: {{kind: file, path: {directory}/note, access: read}}
  gone: {{kind: file, path: {directory}/gone, access: read}}
rules:
  - {{id: some, allow: [note, gone], peer: {{uid: {uid}}}}}
  - {{id: held, allow: pty, peer: {{uid: {uid}}}, limit: {{held: 1, per: uid}}}}
"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    directory = tmp_path_factory.mktemp("client")
    (directory / "note").write_text("hello\n")
    with running_broker(directory, RULES.format(directory=directory, uid=os.geteuid())) as where:
        yield where


def test_the_blocking_client(address: str) -> None:
    with Client(address) as broker:
        with broker.get("note") as grant, grant.open() as file:
            assert (grant.id, grant.kind, file.read()) == ("", "file", "hello\n")
        assert {item.name: item.kind for item in broker.list()} == {
            "pty": "pty",
            "note": "file",
            "gone": "file",
        }
        peer = broker.who_am_i()
        assert (peer.pid, peer.uid, peer.gid) == (os.getpid(), os.geteuid(), os.getegid())
        assert broker.explain("note").allowed
        assert not broker.explain("note", do="put").allowed
        assert "io.fdbroker.Broker" in str(broker.ping()["interfaces"])
        with pytest.raises(Denied) as denied:
            broker.get("nothing")
        assert denied.value.request
        with pytest.raises(InvalidArgument):
            broker.get("note", {"what": "x"})
        with pytest.raises(OpenFailed, match="ENOENT"):
            broker.get("gone")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, who may manage any broker")
def test_the_managers_side(address: str) -> None:
    with Client(address) as broker:
        assert broker.status()["pid"]
        broker.reload()


def test_a_lease_ends_with_its_grant(address: str) -> None:
    with Client(address) as broker:
        for _ in range(3):
            with broker.get("pty") as pty:
                assert pty.id
                assert pty.names == ("master", "slave")
                assert os.path.samestat(
                    os.stat(pty.properties["path"]), os.fstat(pty.fileno("slave"))
                )


def test_the_client_for_asyncio(address: str) -> None:
    async def main() -> None:
        async with AsyncClient(address) as broker:
            for _ in range(3):
                async with await broker.get("pty") as pty:
                    assert pty.id
            with pytest.raises(Denied):
                await broker.get("nothing")
            items, peer = await asyncio.gather(broker.list(), broker.who_am_i())
            assert (len(items), peer.pid) == (3, os.getpid())
            assert (await broker.explain("note")).allowed

    asyncio.run(main())


def test_the_library_does_not_load_asyncio() -> None:
    code = (
        "import sys; from fdbrokerd import Client, Grant, Denied; print('asyncio' in sys.modules)"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_every_public_name_is_there() -> None:
    import fdbrokerd  # noqa: PLC0415

    for name in fdbrokerd.__all__:
        assert getattr(fdbrokerd, name).__name__ == name
    assert set(fdbrokerd.__all__) <= set(dir(fdbrokerd))
    with pytest.raises(AttributeError):
        fdbrokerd.Nothing  # noqa: B018
    assert Path(fdbrokerd.__file__).name == "__init__.py"
