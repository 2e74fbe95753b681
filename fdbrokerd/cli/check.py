# SPDX-License-Identifier: MIT
"""`fdbrokerctl check`: what the daemon would say of its files, without a daemon.

The same functions read the files as at start and at each reload, so what passes here passes there,
as long as the same user looks (files must belong to root or to whoever runs the broker) and sees as
much of other processes: what it cannot see is a warning here, and a mistake there. What it cannot
open is a warning in both, and here only of a process that has any privileges, as the daemon has.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fdbrokerd.capabilities import effective
from fdbrokerd.cli.files import survey_of
from fdbrokerd.cli.verb import Options, Verbs, add_rules, verb
from fdbrokerd.client.escape import escape
from fdbrokerd.determinable import undeterminable
from fdbrokerd.errors import EX_CONFIG, ConfigurationError
from fdbrokerd.model.ruleset import Ruleset
from fdbrokerd.model.settings import Settings
from fdbrokerd.rules.determined import check_determined
from fdbrokerd.rules.loader import load_files
from fdbrokerd.rules.mistakes import Mistakes
from fdbrokerd.rules.possible import impossible
from fdbrokerd.rules.settings import PATH, check_resources, load_named_settings
from fdbrokerd.rules.survey import Survey


@dataclass(frozen=True, slots=True)
class _Checked:
    """What was found, the rules if they load, and every mistake.

    `warnings` are what cannot be determined or opened by this process: files may be checked for
    another machine, and the daemon may have other capabilities.
    """

    found: Survey
    ruleset: Ruleset | None
    problems: tuple[ConfigurationError, ...] = ()
    warnings: tuple[ConfigurationError, ...] = ()

    @property
    def refused(self) -> dict[str, int]:
        """Return the files with a mistake, and how many they have."""
        counts: dict[str, int] = {}
        for one in self.problems:
            if one.file:
                counts[one.file] = counts.get(one.file, 0) + 1
        return counts


def add_check(verbs: Verbs) -> None:
    """Add the verb."""
    parser = verb(verbs, "check", _run, "every mistake in settings and rules, without a broker")
    parser.add_argument(
        "paths", metavar="PATH", nargs="*", help="rule files, or directories of them"
    )
    parser.add_argument(
        "--config", metavar="FILE", help=f"the settings; {PATH}, where it is, unless given"
    )
    add_rules(parser)


def _run(options: Options) -> int:
    """Print what was read, replaced, masked and refused, and every mistake."""
    checked = _check(options)
    if options.json:
        print(json.dumps(_values(checked), indent=2))
    else:
        for line in _lines(checked):
            print(escape(line))
        for problem in checked.problems:
            print(escape(str(problem)), file=sys.stderr)
        for warning in checked.warnings:
            print(
                escape(f"{warning} (a warning: the daemon may do what this process cannot)"),
                file=sys.stderr,
            )
    return EX_CONFIG if checked.problems else 0


def _check(options: Options) -> _Checked:
    mistakes = Mistakes()
    found = Survey((), (), ())
    ruleset = None
    paths = [*options.rules, *options.paths]
    try:
        settings = load_named_settings(options.config)
        found = survey_of(paths, settings, mistakes)
        ruleset = load_files(found, mistakes)
        if not paths:
            check_resources(settings, ruleset)
    except ConfigurationError as error:
        return _Checked(found, ruleset, error.mistakes)
    return _Checked(found, ruleset, warnings=tuple(_warnings(ruleset, settings)))


def _warnings(ruleset: Ruleset, settings: Settings) -> Iterator[ConfigurationError]:
    try:
        check_determined(ruleset, settings.admins, undeterminable())
    except ConfigurationError as error:
        yield from error.mistakes
    if effective():
        yield from impossible(ruleset)


def _values(checked: _Checked) -> dict[str, object]:
    found, ruleset = checked.found, checked.ruleset
    return {
        "valid": not checked.problems,
        "files": found.files,
        "replaced": [{"file": file, "by": by} for file, by in found.replaced],
        "masked": [{"file": file, "by": by} for file, by in found.masked],
        "refused": list(checked.refused),
        "resources": sorted(ruleset.resources) if ruleset else [],
        "rules": [rule.id for rule in ruleset.rules] if ruleset else [],
        "problems": _places(checked.problems),
        "warnings": _places(checked.warnings),
    }


def _places(mistakes: Sequence[ConfigurationError]) -> list[dict[str, object]]:
    return [
        {"file": one.file, "line": one.line, "column": one.column, "message": one.message}
        for one in mistakes
    ]


def _lines(checked: _Checked) -> Iterator[str]:
    found, refused, ruleset = checked.found, checked.refused, checked.ruleset
    yield from (f"read {file}" for file in found.files if file not in refused)
    yield from (f"replaced {file} by {by}" for file, by in found.replaced)
    yield from (f"masked {file} by {by}" for file, by in found.masked)
    for file, count in refused.items():
        yield f"refused {file}: {count} mistake{'s' if count > 1 else ''}"
    if not found.files and not refused:
        yield "no rule files were found: nobody gets anything"
    if ruleset is not None and not checked.problems:
        yield f"{len(ruleset.resources)} resources, {len(ruleset.rules)} rules: valid"
