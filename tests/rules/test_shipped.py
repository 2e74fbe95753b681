# SPDX-License-Identifier: MIT
"""What is shipped loads, and says what the code does."""

import re
import shutil
from pathlib import Path

import pytest

from fdbrokerd.model.settings import Settings
from fdbrokerd.rules.document import parse
from fdbrokerd.rules.loader import load, load_text
from fdbrokerd.rules.settings import SETTINGS_KEYS, load_settings, settings_of

CONFIG = Path(__file__).parents[2] / "config"
DOCS = CONFIG.parent / "docs"
RULE_FILES = [*CONFIG.glob("rules.d/*"), *CONFIG.glob("examples/*")]


@pytest.mark.parametrize("path", RULE_FILES, ids=lambda path: path.name)
def test_rule_files_load_and_their_tests_pass(path: Path, tmp_path: Path) -> None:
    shutil.copyfile(path, tmp_path / path.name)
    ruleset = load([str(tmp_path)])
    assert ruleset.rules
    assert "\ntests:\n" in path.read_text()


def test_all_examples_load_together_with_what_is_shipped(tmp_path: Path) -> None:
    for path in RULE_FILES:
        shutil.copyfile(path, tmp_path / path.name)
    assert len(load([str(tmp_path)]).files) == len(RULE_FILES) >= 4


def test_settings_are_the_defaults_with_and_without_their_comments(tmp_path: Path) -> None:
    shutil.copyfile(CONFIG / "fdbrokerd.yaml", tmp_path / "fdbrokerd.yaml")
    assert load_settings(str(tmp_path / "fdbrokerd.yaml")) == Settings.default()
    text = (CONFIG / "fdbrokerd.yaml").read_text()
    bare = re.sub(r"^#(?=[a-z]|  )", "", text, flags=re.MULTILINE)
    assert settings_of(parse(bare.encode(), "f")) == Settings.default()


def test_settings_show_every_key() -> None:
    text = (CONFIG / "fdbrokerd.yaml").read_text()
    for key in SETTINGS_KEYS:
        assert f"{key}:" in text


def test_the_rules_of_the_docs_load() -> None:
    for path in (DOCS / "rules.md", DOCS.parent / "README.md"):
        (block,) = re.findall(r"```yaml\n(fdbroker: 1.*?)```", path.read_text(), re.DOTALL)
        assert load_text(block, path.name).rules
