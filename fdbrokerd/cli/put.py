# SPDX-License-Identifier: MIT
"""fdbroker-put: puts descriptors under a name, for others to get."""

from __future__ import annotations

import json
import sys

import fdbrokerd
from fdbrokerd.cli.placement import inherited
from fdbrokerd.cli.program import add_description, run
from fdbrokerd.cli.put_options import PutOptions
from fdbrokerd.client.client import Client
from fdbrokerd.errors import Denied, UsageError


def main() -> int:
    """Run the program; return its exit status."""
    return run("fdbroker-put", PutOptions, _run)


def _run(options: PutOptions) -> int:
    if options.version:
        print(f"fdbroker-put {fdbrokerd.__version__}")
        return 0
    if options.help:
        from fdbrokerd.cli.put_help import HELP  # noqa: PLC0415

        print(HELP, end="")
        return 0
    for name, number in options.descriptors.items():
        if not inherited(number):  # what this process opened itself is none of the caller's
            raise UsageError(f"the descriptor {number} ({name}) is not open")
    item = _put(options)
    if options.json:
        print(json.dumps({"item": item}))
        sys.stdout.flush()
    return 0


def _put(options: PutOptions) -> str:
    with Client(
        options.address, timeout_seconds=options.timeout_seconds, server_uid=options.server_uid
    ) as broker:
        try:
            return broker.put(
                options.item,
                options.descriptors,
                replace=options.replace,
                ttl_seconds=options.ttl_seconds,
                metadata=options.metadata,
            )
        except Denied as denied:
            add_description(denied, broker)
            raise


if __name__ == "__main__":
    sys.exit(main())
