# SPDX-License-Identifier: MIT
"""What the loader says of a text."""

from fdbrokerd.errors import ConfigurationError
from fdbrokerd.rules.document import parse
from fdbrokerd.rules.loader import load_text
from fdbrokerd.rules.settings import settings_of


def mistakes(text: str) -> list[str]:
    """Return every mistake of a rule file, in full."""
    try:
        load_text(text, "f.yaml")
    except ConfigurationError as error:
        return [str(one) for one in error.mistakes]
    return []


def mistake_in_settings(text: str) -> list[str]:
    """Return every mistake of a settings file, in full."""
    try:
        settings_of(parse(text.encode(), "s.yaml"))
    except ConfigurationError as error:
        return [str(one) for one in error.mistakes]
    return []
