# SPDX-License-Identifier: MIT
"""The rules in force, and how others take their place."""

from collections.abc import Sequence

from fdbrokerd.audit import AuditLog
from fdbrokerd.broker import Broker
from fdbrokerd.errors import ConfigurationError, ReloadFailed
from fdbrokerd.model.settings import Settings
from fdbrokerd.server.loaded import Load, Loaded
from fdbrokerd.server.standing import Standing
from fdbrokerd.systemd import Notifier


class Rules:
    """What was loaded last, and what it is told to when that is done again."""

    def __init__(
        self,
        settings: Settings,
        load: Load,
        log: AuditLog,
        broker: Broker,
        standing: Standing,
        notifier: Notifier,
    ) -> None:
        self.settings = settings
        self._load = load
        self._log = log
        self._broker = broker
        self._standing = standing
        self._notifier = notifier

    def reload(self, addresses: Sequence[str]) -> None:
        """Put what the files say now in force, all of it or nothing. Raises ReloadFailed."""
        self._notifier.reloading()
        try:
            self._adopt(self._load())
        except (ConfigurationError, OSError) as error:
            self._standing.failed(str(error))
            raise ReloadFailed.of(error) from error
        finally:
            self._notifier.ready(self._standing.summary(addresses))

    def _adopt(self, loaded: Loaded) -> None:
        """Put what was read in force; what can fail comes first."""
        if loaded.settings.listen != self.settings.listen:
            raise ConfigurationError("`listen` has changed, and that needs a restart")
        audit = loaded.settings.audit
        self._log.reopen(journal=audit.journal, file=audit.file, required=audit.required)
        self._broker.in_force = loaded.in_force
        self.settings = loaded.settings
        self._standing.loaded()
