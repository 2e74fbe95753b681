# SPDX-License-Identifier: MIT
"""The calls that are served, each with its parameters, as the .varlink files have them."""

import msgspec

FOR_EVER_USEC = 10 * 365 * 24 * 3600 * 1_000_000
"""A time that is longer needs no timer: neither the machine nor the peer will see its end."""


class Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A set of parameters: no key but these."""


class Envelope(Strict, frozen=True):
    """A call as Varlink frames it. Its parameters are read when the method is known."""

    method: str
    parameters: msgspec.Raw = msgspec.Raw(b"{}")
    oneway: bool = False
    more: bool = False
    upgrade: bool = False


class GetInfo(Strict, frozen=True):
    """org.varlink.service.GetInfo."""


class GetInterfaceDescription(Strict, frozen=True):
    """org.varlink.service.GetInterfaceDescription."""

    interface: str


class Get(Strict, frozen=True):
    """io.fdbroker.Broker.Get."""

    resource: str
    arguments: dict[str, str] | None = None
    count: int | None = None
    wait_usec: int | None = msgspec.field(default=None, name="waitUSec")


class Put(Strict, frozen=True):
    """io.fdbroker.Broker.Put."""

    item: str
    names: list[str]
    replace: bool | None = None
    ttl_usec: int | None = msgspec.field(default=None, name="ttlUSec")
    metadata: dict[str, str] | None = None


class Take(Strict, frozen=True):
    """io.fdbroker.Broker.Take."""

    item: str
    wait_usec: int | None = msgspec.field(default=None, name="waitUSec")


class Commit(Strict, frozen=True):
    """io.fdbroker.Broker.Commit."""

    transaction: str


class Remove(Strict, frozen=True):
    """io.fdbroker.Broker.Remove."""

    item: str


class Watch(Strict, frozen=True):
    """io.fdbroker.Broker.Watch."""

    resource: str


class Release(Strict, frozen=True):
    """io.fdbroker.Broker.Release."""

    grant: str


class List(Strict, frozen=True):
    """io.fdbroker.Broker.List."""


class Explain(Strict, frozen=True):
    """io.fdbroker.Broker.Explain."""

    resource: str
    arguments: dict[str, str] | None = None
    do: str | None = None


class WhoAmI(Strict, frozen=True):
    """io.fdbroker.Broker.WhoAmI."""


class Status(Strict, frozen=True):
    """io.fdbroker.Manager.Status."""


class Reload(Strict, frozen=True):
    """io.fdbroker.Manager.Reload."""


class Pretended(Strict, frozen=True, rename="camel"):
    """A peer that is made up: what is None it has not."""

    uid: int | None = None
    gids: list[int] | None = None
    unit: str | None = None
    user_unit: str | None = None
    slice: str | None = None
    cgroup: str | None = None
    container: str | None = None
    label: str | None = None
    exe: str | None = None


class ExplainOther(Strict, frozen=True, rename={"as_": "as"}):
    """io.fdbroker.Manager.Explain."""

    resource: str | None = None
    arguments: dict[str, str] | None = None
    do: str | None = None
    as_: Pretended | None = None
    pid: int | None = None
    request: str | None = None


class WhoCan(Strict, frozen=True):
    """io.fdbroker.Manager.WhoCan."""

    resource: str
    arguments: dict[str, str] | None = None
    do: str | None = None


Parameters = (
    GetInfo
    | GetInterfaceDescription
    | Get
    | Put
    | Take
    | Commit
    | Remove
    | Watch
    | Release
    | List
    | Explain
    | WhoAmI
    | Status
    | Reload
    | ExplainOther
    | WhoCan
)

METHODS: dict[str, type[Parameters]] = {
    "org.varlink.service.GetInfo": GetInfo,
    "org.varlink.service.GetInterfaceDescription": GetInterfaceDescription,
    "io.fdbroker.Broker.Get": Get,
    "io.fdbroker.Broker.Put": Put,
    "io.fdbroker.Broker.Take": Take,
    "io.fdbroker.Broker.Commit": Commit,
    "io.fdbroker.Broker.Remove": Remove,
    "io.fdbroker.Broker.Watch": Watch,
    "io.fdbroker.Broker.Release": Release,
    "io.fdbroker.Broker.List": List,
    "io.fdbroker.Broker.Explain": Explain,
    "io.fdbroker.Broker.WhoAmI": WhoAmI,
    "io.fdbroker.Manager.Status": Status,
    "io.fdbroker.Manager.Reload": Reload,
    "io.fdbroker.Manager.Explain": ExplainOther,
    "io.fdbroker.Manager.WhoCan": WhoCan,
}
