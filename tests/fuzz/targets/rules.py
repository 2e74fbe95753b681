# SPDX-License-Identifier: MIT
"""Rule files: a ruleset that answers every question, or mistakes that are safe to print."""

from fdbrokerd.errors import ConfigurationError
from fdbrokerd.messages import CONTROL
from fdbrokerd.model.peer import Peer
from fdbrokerd.model.resource import Request
from fdbrokerd.model.verdict import Verdict
from fdbrokerd.policy import decide, may
from fdbrokerd.rules.document import parse
from fdbrokerd.rules.loader import load_text

TOKENS = (
    b"fdbroker: 1\n", b"resources:\n", b"rules:\n", b"tests:\n", b"  - {id: ", b"kind: pty",
    b"kind: file", b"kind: store", b"kind: memfd", b"kind: eventfd", b"allow: ", b"deny: ",
    b"peer: {", b"uid: ", b"gid: ", b"user: root", b"unit: ", b'"0640"', b"${user}", b"${uid}",
    b"&a", b"*a", b"<<: ", b"!!str ", b"%YAML 1.1\n", b"---\n", b"...\n", b"? ", b"|\n", b">\n",
    b"[", b"{", b"]", b"}", b"\t", b"#", b'"\\x00"', b'"\\ud800"', b"\xe2\x80\xae",
    b"\xef\xbb\xbf", b"\r", b"'", b'"', b": ", b"- ", b"1000-59999", b"64K", b"30/min",
    b"root: /tmp", b"path: ", b"pattern: ", b"(a+)+", b"enum: [a, b]", b"limit: {held: 1}",
    b"arguments: {", b"with: {", b"names: ", b"quota: {items: 1}", b"expect: allow",
    b"99999999999999999999",
)  # fmt: skip

PEERS = tuple(Peer(1, uid, uid, frozenset((uid,))) for uid in (0, 1000, 65534))


def check(data: bytes) -> None:
    """Load; ask what it says of a few peers; or look at the mistakes."""
    try:
        parse(data, "fuzz.yaml")
        ruleset = load_text(data.decode(), "fuzz.yaml")
    except ConfigurationError as error:
        check_mistakes(error)
        return
    for name, resource in ruleset.resources.items():
        for peer in PEERS:
            assert isinstance(may(ruleset, peer, "get", name), bool)
            request = Request("get", name, resource.complete({}))
            assert isinstance(decide(ruleset, peer, request), Verdict)


def check_mistakes(error: ConfigurationError) -> None:
    """Fail where a mistake names no place, or would rule the terminal that it is printed on."""
    for one in error.mistakes:
        text = str(one)
        assert text.startswith("fuzz.yaml:"), text
        assert not CONTROL.search(text), ascii(text)
        assert text.encode()
