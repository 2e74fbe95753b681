# SPDX-License-Identifier: MIT
"""The settings file: settings within their limits, or mistakes."""

from fdbrokerd.errors import ConfigurationError
from fdbrokerd.rules.document import parse
from fdbrokerd.rules.settings import MAX_ADDRESS_BYTES, settings_of
from tests.fuzz.targets.rules import TOKENS as YAML
from tests.fuzz.targets.rules import check_mistakes

TOKENS = (
    *YAML, b"listen: [", b"{address: ", b'"@a"', b"/run/x", b'mode: "0666"', b"resources: ",
    b"rules-dirs: [", b"/etc/x", b"admins: {", b"limits: {", b"connections: ",
    b"connections-per-uid: ", b"message-seconds: ", b"reply-seconds: ", b"audit: {", b"journal: ",
    b"file: ", b"required: ", b"true", b"false",
)  # fmt: skip


def check(data: bytes) -> None:
    """Read them."""
    try:
        settings = settings_of(parse(data, "fuzz.yaml"))
    except ConfigurationError as error:
        check_mistakes(error)
        return
    limits = settings.limits
    assert 1 <= limits.connections_per_uid <= limits.connections <= 1_000_000
    assert 1 <= limits.message_seconds <= 60
    assert 1 <= limits.reply_seconds <= 60
    addresses = [one.address for one in settings.listen]
    assert addresses
    assert len(set(addresses)) == len(addresses)
    assert all(len(one.encode()) <= MAX_ADDRESS_BYTES for one in addresses)
    assert all(path.startswith("/") for path in settings.rules_dirs)
    assert not settings.audit.required or settings.audit.journal or settings.audit.file
