# SPDX-License-Identifier: MIT
"""`fdbrokerctl check`: what the daemon would say of its files, without a daemon.

The same functions read the files as at start and at each reload, so what passes here passes there,
as long as the same user looks: files must belong to root or to whoever runs the broker.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence

from fdbrokerd.client.escape import escape
from fdbrokerd.errors import EX_CONFIG, ConfigurationError
from fdbrokerd.model.ruleset import Ruleset
from fdbrokerd.rules.loader import load_files
from fdbrokerd.rules.mistakes import Mistakes
from fdbrokerd.rules.settings import Settings, load_named_settings
from fdbrokerd.rules.survey import Survey, survey


def check(options: argparse.Namespace) -> int:
    """Print what was read, replaced and masked, and every mistake; return 0 or EX_CONFIG."""
    mistakes = Mistakes()
    found = Survey((), (), ())
    ruleset: Ruleset | None = None
    problems: tuple[ConfigurationError, ...] = ()
    try:
        settings = load_named_settings(options.config)
        found = _survey(options.paths, settings, mistakes)
        ruleset = load_files(found, mistakes)
        if not options.paths:
            settings.check_resources(ruleset)
    except ConfigurationError as error:
        problems = error.mistakes
    if options.json:
        print(json.dumps(_values(found, ruleset, problems), indent=2))
    else:
        _report(found, ruleset, problems)
    return EX_CONFIG if problems else 0


def _survey(paths: Sequence[str], settings: Settings, mistakes: Mistakes) -> Survey:
    """Return the files to check: those of the settings, or those that the paths name."""
    if not paths:
        return survey(settings.rules_dirs, mistakes)
    directories = [path for path in paths if os.path.isdir(path)]
    files = tuple(path for path in paths if path not in directories)
    found = survey(directories, mistakes)
    return Survey((*found.files, *files), found.replaced, found.masked)


def _values(
    found: Survey, ruleset: Ruleset | None, problems: Sequence[ConfigurationError]
) -> dict[str, object]:
    return {
        "valid": not problems,
        "files": found.files,
        "replaced": [{"file": file, "by": by} for file, by in found.replaced],
        "masked": [{"file": file, "by": by} for file, by in found.masked],
        "resources": sorted(ruleset.resources) if ruleset else [],
        "rules": [rule.id for rule in ruleset.rules] if ruleset else [],
        "problems": [
            {"file": one.file, "line": one.line, "column": one.column, "message": one.message}
            for one in problems
        ],
    }


def _report(found: Survey, ruleset: Ruleset | None, problems: Sequence[ConfigurationError]) -> None:
    lines = [f"read {file}" for file in found.files]
    lines += [f"replaced {file} by {by}" for file, by in found.replaced]
    lines += [f"masked {file} by {by}" for file, by in found.masked]
    if ruleset is not None and not problems:
        lines.append(f"{len(ruleset.resources)} resources, {len(ruleset.rules)} rules: valid")
    for line in lines:
        print(escape(line))
    for problem in problems:
        print(escape(str(problem)), file=sys.stderr)
