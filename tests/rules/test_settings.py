# SPDX-License-Identifier: MIT
"""The daemon's own file."""

from pathlib import Path

import pytest

from fdbrokerd.errors import ConfigurationError
from fdbrokerd.model.match import PeerMatch
from fdbrokerd.model.peer import IdRanges
from fdbrokerd.model.settings import Audit, Limits, Listener, Settings
from fdbrokerd.rules.loader import load_text
from fdbrokerd.rules.settings import check_resources, load_settings

from .said import mistake_in_settings


def load(tmp_path: Path, text: str) -> Settings:
    path = tmp_path / "fdbrokerd.yaml"
    path.write_text(f"fdbroker: 1\n{text}\n")
    return load_settings(str(path))


def test_defaults(tmp_path: Path) -> None:
    assert load(tmp_path, "") == Settings.default()
    assert [one.address for one in Settings.default().listen] == [
        "@fdbrokerd",
        "/run/fdbrokerd/io.fdbroker",
    ]


def test_a_missing_file_is_the_callers_business(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_settings(str(tmp_path / "missing"))


def test_everything(tmp_path: Path) -> None:
    made = load(
        tmp_path,
        """\
listen:
  - {address: "@other", resources: [pty, "t*"]}
  - {address: /run/x.sock, mode: "0660"}
rules-dirs: [/srv/rules]
admins: {uid: 7}
limits: {connections: 9, connections-per-uid: 3, message-seconds: 2, reply-seconds: 4}
audit: {journal: false, file: /var/log/audit, required: true}
""",
    )
    assert made == Settings(
        (Listener("@other", resources=("pty", "t*")), Listener("/run/x.sock", 0o660)),
        ("/srv/rules",),
        PeerMatch((IdRanges(((7, 7),)),)),
        Limits(9, 3, 2, 4),
        Audit(journal=False, file="/var/log/audit", required=True),
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("listen", "s.yaml:3:1: not YAML"),
        ("listne: []", "s.yaml:2:1: unknown key 'listne'; did you mean listen?"),
        ("listen: []", "s.yaml:2:9: listen: is an empty list"),
        ("listen: ['@x']", "s.yaml:2:10: listen: must be a mapping"),
        ("listen: [{mode: '0600'}]", "s.yaml:2:10: listen: address is missing"),
        ("listen: {address: x}", "s.yaml:2:19: address: 'x' is not an absolute path"),
        ("listen: {address: /run//x}", "s.yaml:2:19: address: '/run//x' is not an absolute path"),
        ("listen: {address: '@'}", "s.yaml:2:19: address: an abstract name has at least"),
        ("listen: {address: '@x', mode: '0600'}", "s.yaml:2:31: mode: goes with a path"),
        ("listen: {address: /x, mode: 0600}", "s.yaml:2:29: mode: '0600' must be in quotes"),
        ("listen: {address: /" + "x" * 107 + "}", "s.yaml:2:19: address: is longer than 107"),
        ("listen: [{address: /x}, {address: /x}]", "s.yaml:2:35: address: '/x' is there twice"),
        ("rules-dirs: rules", "s.yaml:2:13: rules-dirs: 'rules' is not an absolute path"),
        ("rules-dirs: [/a, /b/]", "s.yaml:2:18: rules-dirs: '/b/' is not an absolute path"),
        ("rules-dirs: [/a, /a]", "s.yaml:2:18: rules-dirs: '/a' is there twice"),
        ("admins: {}", "s.yaml:2:9: admins: says nothing"),
        ("admins: {user: no-such-1}", "s.yaml:2:16: user: there is no user"),
        ("limits: {connections: 0}", "s.yaml:2:23: connections: 0 is not from 1 to"),
        ("limits: {connections: 1e3}", "s.yaml:2:23: connections: '1e3' is not a decimal"),
        (
            "limits: {connections: 5, connections-per-uid: 6}",
            "s.yaml:2:47: connections-per-uid: 6 is more than",
        ),
        ("limits: {reply-seconds: 61}", "s.yaml:2:25: reply-seconds: 61 is not from 1 to 60"),
        ("audit: {journal: yes}", "s.yaml:2:18: journal: must be true or false"),
        ("audit: {journal: 'true'}", "s.yaml:2:18: journal: must be true or false"),
        ("audit: {journal: false, required: true}", "s.yaml:2:35: required: has neither"),
        ("audit: {file: log}", "s.yaml:2:15: file: 'log' is not an absolute path"),
    ],
)
def test_refused(text: str, said: str) -> None:
    assert mistake_in_settings(f"fdbroker: 1\n{text}\n")[0].startswith(said)


def test_fewer_connections_in_all_are_fewer_for_each(tmp_path: Path) -> None:
    limits = load(tmp_path, "limits: {connections: 5}").limits
    assert limits == Limits(connections=5, connections_per_uid=5)


def test_every_mistake_is_told() -> None:
    said = mistake_in_settings(
        "fdbroker: 1\nlisten: {address: x}\nadmins: {}\naudit: {file: y}\n"
        "limits: {connections: 1, connections-per-uid: 2}\n"
    )
    assert [one.split(":")[1] for one in said] == ["2", "3", "4", "5"]


def test_listeners_name_resources_that_are_there(tmp_path: Path) -> None:
    made = load(tmp_path, "listen: {address: '@x', resources: [pty, ttls, '*']}")
    nothing = load_text("fdbroker: 1", "f.yaml")
    pty = load_text("fdbroker: 1\nresources: {pty: {kind: pty}, tls: {kind: pty}}", "f.yaml")
    with pytest.raises(ConfigurationError) as caught:
        check_resources(made, pty)
    assert "fdbrokerd.yaml:2:36: resources: there is no 'ttls'; did you mean tls?" in str(
        caught.value
    )
    with pytest.raises(ConfigurationError):
        check_resources(made, nothing)
    check_resources(Settings.default(), nothing)


@pytest.mark.parametrize("entry", ["slots/a", "slots/**", "*/a"])
def test_a_listener_serves_resources_whole(tmp_path: Path, entry: str) -> None:
    made = load(tmp_path, f'listen: {{address: "@a", resources: [slots, "{entry}"]}}')
    rules = load_text("fdbroker: 1\nresources: {slots: {kind: store}}", "f.yaml")
    with pytest.raises(ConfigurationError, match="names items: here a resource is served whole"):
        check_resources(made, rules)
