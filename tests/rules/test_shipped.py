# SPDX-License-Identifier: MIT
"""What is shipped loads, and says what the code does."""

import re
import shutil
from importlib import import_module
from pathlib import Path

import pytest

from fdbrokerd.kinds import kinds
from fdbrokerd.model.holding import SEALS, TYPES
from fdbrokerd.model.settings import Settings
from fdbrokerd.rules.document import parse
from fdbrokerd.rules.loader import load, load_text
from fdbrokerd.rules.settings import SETTINGS_KEYS, load_settings, settings_of

CONFIG = Path(__file__).parents[2] / "config"
DOCS = CONFIG.parent / "docs"
OURS = {
    name: kind for name, kind in kinds().items() if type(kind).__module__.startswith("fdbrokerd.")
}
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


@pytest.mark.parametrize("name", sorted(OURS))
def test_every_key_of_every_kind_is_documented(name: str) -> None:
    """In the manual, and beside the code that reads it; verbs and types, too."""
    kind = OURS[name]
    manual = (DOCS / "rules.md").read_text()
    beside = import_module(f"fdbrokerd.kinds.{name}").__doc__ or ""
    assert f"**`{name}`**" in manual
    for key in kind.keys:
        assert re.search(rf"`{key}\b", manual), key
        assert re.search(rf"(?:^|[ ,]){key}\b", beside, re.MULTILINE), key
    for verb in kind.verbs:
        assert f"| `{verb}` | " in manual
    for descriptor in kind.descriptors:
        assert name in {"pty", "file"} or f"`{descriptor}`" in manual


def test_every_type_and_seal_is_documented() -> None:
    manual = (DOCS / "rules.md").read_text()
    assert f"`{' '.join(TYPES)}`" in manual
    assert f"`{' '.join(SEALS)}`" in manual


def test_the_rules_of_the_docs_load() -> None:
    for path in (DOCS / "rules.md", DOCS.parent / "README.md"):
        (block,) = re.findall(r"```yaml[^\n]*\n(fdbroker: 1.*?)```", path.read_text(), re.DOTALL)
        assert load_text(block, path.name).rules
