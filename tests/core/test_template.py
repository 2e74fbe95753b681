# SPDX-License-Identifier: MIT
"""Paths with `${…}`: nothing that a peer chooses becomes more than one component."""

import errno
import pwd

import pytest

from fdbrokerd.kinds.template import Template
from fdbrokerd.model.key import KeyRefused
from fdbrokerd.model.peer import UNMAPPED_ID

from .made import USER, a_peer
from .test_model import UNSAFE

NAMES = frozenset({"name", "part"})


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("plain", "plain"),
        ("${uid}", f"{USER}"),
        ("u/${uid}-${gid}/${name}.pem", f"u/{USER}-{USER}/it.pem"),
        ("${name}${name}", "itit"),
        ("${part}", "${uid}"),
        ("a${name}b/{name}", "aitb/{name}"),
    ],
)
def test_filled(text: str, path: str) -> None:
    template = Template.of("path", text, NAMES)
    assert template.fill(a_peer(), {"name": "it", "part": "${uid}"}) == path
    assert template.fixed is ("$" not in text)


def test_a_user_is_named_by_the_name_service() -> None:
    name = pwd.getpwuid(0).pw_name
    template = Template.of("path", "home/${user}", frozenset())
    assert template.names_user
    assert template.fill(a_peer(0), {}) == f"home/{name}"
    assert not Template.of("path", "home/${uid}", frozenset()).names_user


@pytest.mark.parametrize(
    "text", ["$", "a$", "$x", "${", "${uid", "$$", "${}", "${nope}", "${USER}"]
)
def test_what_is_no_template(text: str) -> None:
    with pytest.raises(KeyRefused) as refused:
        Template.of("path", text, NAMES)
    assert refused.value.key == "path"


@pytest.mark.parametrize("value", [*UNSAFE, None], ids=ascii)
def test_no_unsafe_value_is_ever_filled_in(value: str | None) -> None:
    """Whatever let it through before: this is the last place that can tell."""
    template = Template.of("path", "dir/${name}/file", NAMES)
    with pytest.raises(OSError) as refused:  # noqa: PT011 (the number is what counts)
        template.fill(a_peer(), {} if value is None else {"name": value})
    assert refused.value.errno == errno.EINVAL


@pytest.mark.parametrize("uid", [USER, UNMAPPED_ID])
def test_a_peer_without_a_name_gets_no_path(uid: int) -> None:
    """Uid 65534 is whoever has no number here, not `nobody`."""
    with pytest.raises(OSError, match=r"\$\{user\} is missing"):
        Template.of("path", "${user}", frozenset()).fill(a_peer(uid), {})
