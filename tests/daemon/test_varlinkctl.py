# SPDX-License-Identifier: MIT
"""systemd's own client, where this machine has it; the booted tests have it in any case."""

import json
import shutil
import subprocess

import pytest

from .broker import RunningBroker
from .process import PATIENCE

INTERFACES = ("org.varlink.service", "io.fdbroker.Broker", "io.fdbroker.Manager")

pytestmark = pytest.mark.skipif(
    shutil.which("varlinkctl") is None, reason="needs varlinkctl, which the booted tests have"
)


def test_varlinkctl(broker: RunningBroker) -> None:
    def varlinkctl(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["varlinkctl", *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )

    address = f"unix:{broker.files.path}"
    assert "fdbrokerd" in varlinkctl("info", address).stdout
    for name in INTERFACES:
        described = varlinkctl("introspect", address, name)
        assert described.returncode == 0, described.stderr
    who = varlinkctl("call", "--json=short", address, "io.fdbroker.Broker.WhoAmI", "{}")
    assert json.loads(who.stdout)["peer"]["uid"] == 0
    refused = varlinkctl("call", address, "io.fdbroker.Broker.Get", '{"resource": "nothing"}')
    assert "io.fdbroker.Broker.Denied" in refused.stderr
