# SPDX-License-Identifier: MIT
"""The .varlink files: what is served, word for word, and the source of every name."""

from collections.abc import Mapping
from functools import cache

SERVICE = "org.varlink.service"
BROKER = "io.fdbroker.Broker"
MANAGER = "io.fdbroker.Manager"
NAMES = (SERVICE, BROKER, MANAGER)


@cache
def descriptions() -> Mapping[str, str]:
    """Return the text of each interface by its name."""
    from importlib.resources import files  # noqa: PLC0415 (slow, and few ask)

    return {name: files(__name__).joinpath(f"{name}.varlink").read_text() for name in NAMES}
