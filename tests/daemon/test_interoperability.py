# SPDX-License-Identifier: MIT
"""Clients that others wrote."""

import asyncio
import os
import re
from typing import Any, TypedDict

import asyncvarlink
import pytest
from asyncvarlink import FileDescriptor, VarlinkInterface, varlinkmethod
from asyncvarlink.serviceinterface import VarlinkServiceInterface

from .broker import RunningBroker
from .process import PATIENCE

INTERFACES = ["org.varlink.service", "io.fdbroker.Broker", "io.fdbroker.Manager"]


class Peer(TypedDict):
    """Who the broker takes us for."""

    pid: int
    uid: int
    gid: int
    groups: list[int]


class Descriptor(TypedDict):
    """A named descriptor, received: the library takes it from the message by its index."""

    name: str
    fileDescriptor: FileDescriptor


class Granted(TypedDict):
    """The reply of Get."""

    grant: str
    resource: str
    kind: str
    descriptors: list[Descriptor]
    properties: dict[str, str]
    revocable: bool


class Broker(VarlinkInterface, name="io.fdbroker.Broker"):
    """What the library needs to know of ours."""

    @varlinkmethod(return_parameter="peer")
    def WhoAmI(self) -> Peer:
        """Return who asks."""
        raise NotImplementedError

    @varlinkmethod
    def Get(self, *, resource: str, arguments: dict[str, str] | None = None) -> Granted:
        """Open a resource."""
        raise NotImplementedError


def with_client(broker: RunningBroker, act: Any) -> Any:
    """Run a coroutine function with a connected client of the library."""

    async def run() -> Any:
        transport, protocol = await asyncvarlink.connect_unix_varlink(
            asyncvarlink.VarlinkClientProtocol, f"\0{broker.address[1:]}"
        )
        try:
            return await act(protocol)
        finally:
            transport.close()
            await asyncio.sleep(0)

    return asyncio.run(asyncio.wait_for(run(), PATIENCE))


def test_introspection(broker: RunningBroker) -> None:
    async def act(protocol: asyncvarlink.VarlinkClientProtocol) -> dict[str, str]:
        service = protocol.make_proxy(VarlinkServiceInterface)
        info = await service.GetInfo()
        assert info["product"] == "fdbrokerd"
        assert sorted(info["interfaces"]) == sorted(INTERFACES)
        return {
            name: (await service.GetInterfaceDescription(interface=name))["description"]
            for name in info["interfaces"]
        }

    descriptions = with_client(broker, act)
    for name, text in descriptions.items():
        assert re.search(rf"^interface {re.escape(name)}$", text, re.MULTILINE)
    assert "method Get(" in descriptions["io.fdbroker.Broker"]


def test_call_and_error(broker: RunningBroker) -> None:
    async def act(protocol: asyncvarlink.VarlinkClientProtocol) -> None:
        client = protocol.make_proxy(Broker)
        answer = await client.WhoAmI()
        assert answer["peer"]["uid"] == 0
        assert answer["peer"]["pid"] == os.getpid()
        with pytest.raises(asyncvarlink.GenericVarlinkErrorReply) as denied:
            await client.Get(resource="no-such-thing")
        assert denied.value.name == "io.fdbroker.Broker.Denied"
        assert denied.value.parameters["resource"] == "no-such-thing"

    with_client(broker, act)


def test_descriptors(broker: RunningBroker) -> None:
    async def act(protocol: asyncvarlink.VarlinkClientProtocol) -> bytes:
        client = protocol.make_proxy(Broker)
        with await client.Get(resource="pty", arguments={"preset": "raw"}) as granted:
            ends = {one["name"]: one["fileDescriptor"].fileno() for one in granted["descriptors"]}
            assert os.ttyname(ends["slave"]) == granted["properties"]["path"]
            os.write(ends["slave"], b"through")
            return os.read(ends["master"], 100)

    assert with_client(broker, act) == b"through"
