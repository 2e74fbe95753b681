# SPDX-License-Identifier: MIT
"""The environment without `os`, whose import is a quarter of a client's start."""

from __future__ import annotations

import posix
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


def environment() -> Mapping[str, str]:
    """Return the environment variables.

    Where anything has loaded `os` they are those of `os.environ`, which programs change; else
    nobody can have changed what this process was started with.
    """
    if (os := sys.modules.get("os")) is not None:
        found: Mapping[str, str] = os.environ
        return found
    encoding = sys.getfilesystemencoding()
    return {
        name.decode(encoding, "surrogateescape"): value.decode(encoding, "surrogateescape")
        for name, value in posix.environ.items()
    }
