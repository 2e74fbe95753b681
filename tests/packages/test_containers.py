# SPDX-License-Identifier: MIT
"""The container image and the DaemonSet, as far as they can be judged without running them."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import needs

PACKAGING = Path(__file__).resolve().parents[2] / "packaging"
IMAGE = PACKAGING / "container" / "Containerfile"
SETTINGS = PACKAGING / "container" / "fdbrokerd.yaml"
DAEMONSET = PACKAGING / "kubernetes" / "daemonset.yaml"
PACKAGES = "build/packages/*.deb"


def documents(path: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(path.read_text()))


def objects() -> dict[str, Any]:
    return {one["kind"]: one for one in documents(DAEMONSET)}


def instructions() -> list[tuple[str, str]]:
    """Return what the Containerfile says, a line each."""
    text = IMAGE.read_text().replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in lines]


def fdbrokerctl(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "fdbrokerd.cli.ctl", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)


def test_the_image_is_made_of_what_there_is() -> None:
    said = instructions()
    assert {word for word, _ in said} == {
        "FROM", "COPY", "RUN", "VOLUME", "STOPSIGNAL", "ENTRYPOINT",
    }  # fmt: skip
    for word, rest in said:
        if word == "COPY" and not rest.startswith(PACKAGES):
            assert (PACKAGING.parent / rest.split()[0]).is_file()
    build = (PACKAGING.parent / "tools" / "build-packages").read_text()
    assert "build/packages unless given" in build


def test_its_settings_are_valid_and_need_no_systemd(tmp_path: Path) -> None:
    needs.need_root("the files that the broker believes are root's")
    settings = tmp_path / "fdbrokerd.yaml"
    shutil.copy(SETTINGS, settings)
    done = fdbrokerctl("check", "--config", str(settings))
    assert done.returncode == 0, done.stderr
    (line,) = [rest for word, rest in instructions() if word == "ENTRYPOINT"]
    assert json.loads(line)[-1] == "/etc/fdbrokerd/fdbrokerd.yaml"
    (told,) = documents(SETTINGS)
    volumes = {rest for word, rest in instructions() if word == "VOLUME"}
    paths = [one["address"] for one in told["listen"]] + [told["audit"]["file"]]
    assert {os.path.dirname(path) for path in paths} == volumes


def test_what_is_mounted_is_there() -> None:
    pod = objects()["DaemonSet"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    volumes = {one["name"]: one for one in pod["volumes"]}
    mounts = {one["name"]: one for one in container["volumeMounts"]}
    assert mounts.keys() == volumes.keys()
    assert volumes["run"]["hostPath"]["path"] == mounts["run"]["mountPath"] == "/run/fdbrokerd"
    rules = objects()["ConfigMap"]
    assert volumes["rules"]["configMap"]["name"] == rules["metadata"]["name"]
    assert mounts["rules"]["subPath"] in rules["data"]
    assert mounts["rules"]["mountPath"].endswith(f"/rules.d/{mounts['rules']['subPath']}")


def test_the_pod_has_no_more_than_the_unit() -> None:
    daemonset = objects()["DaemonSet"]
    pod = daemonset["spec"]["template"]
    assert pod["metadata"]["labels"] == daemonset["spec"]["selector"]["matchLabels"]
    (container,) = pod["spec"]["containers"]
    security = container["securityContext"]
    unit = (PACKAGING.parent / "systemd" / "fdbrokerd.service").read_text()
    (bound,) = re.findall(r"^CapabilityBoundingSet=(.*)$", unit, re.MULTILINE)
    assert security["capabilities"] == {"drop": ["ALL"], "add": [bound.removeprefix("CAP_")]}
    assert security["readOnlyRootFilesystem"]
    assert not security["allowPrivilegeEscalation"]
    assert pod["spec"]["hostPID"]


@pytest.mark.parametrize("name", ["50-pods.yaml"])
def test_its_rules_are_valid(tmp_path: Path, name: str) -> None:
    needs.need_root("the files that the broker believes are root's")
    rules = tmp_path / name
    rules.write_text(objects()["ConfigMap"]["data"][name])
    done = fdbrokerctl("check", str(rules))
    assert done.returncode == 0, done.stderr


def test_the_probe_asks_where_the_broker_listens() -> None:
    pod = objects()["DaemonSet"]["spec"]["template"]["spec"]
    program, verb, *rest = pod["containers"][0]["livenessProbe"]["exec"]["command"]
    (told,) = documents(SETTINGS)
    assert (program, verb) == ("/usr/bin/fdbrokerctl", "ping")
    assert rest == ["--socket", told["listen"][0]["address"]]
