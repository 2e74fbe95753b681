# SPDX-License-Identifier: MIT
"""Rule files for the verbs that need no broker: those of the settings, or those that are named."""

import os
from collections.abc import Sequence

from fdbrokerd.model.ruleset import Ruleset
from fdbrokerd.model.settings import Settings
from fdbrokerd.rules.loader import load_files
from fdbrokerd.rules.mistakes import Mistakes
from fdbrokerd.rules.settings import load_named_settings
from fdbrokerd.rules.survey import Survey, survey


def survey_of(paths: Sequence[str], settings: Settings, mistakes: Mistakes) -> Survey:
    """Return the files that count: of the settings' directories, or of files and directories."""
    if not paths:
        return survey(settings.rules_dirs, mistakes)
    directories = [path for path in paths if os.path.isdir(path)]
    files = tuple(path for path in paths if path not in directories)
    found = survey(directories, mistakes)
    return Survey((*found.files, *files), found.replaced, found.masked)


def ruleset_of(paths: Sequence[str], config: str | None = None) -> Ruleset:
    """Return what the files say. Raises a ConfigurationError with every mistake of them."""
    mistakes = Mistakes()
    settings = Settings.default() if paths else load_named_settings(config)
    return load_files(survey_of(paths, settings, mistakes), mistakes)
