# SPDX-License-Identifier: MIT
"""The daemon: from its settings to its end."""

import asyncio
import os
import resource
import signal
import sys
from contextlib import ExitStack, closing
from functools import partial

from fdbrokerd import openat2
from fdbrokerd.asked import InForce
from fdbrokerd.audit import AuditLog
from fdbrokerd.capabilities import effective
from fdbrokerd.cli.detach import UMASK, detached
from fdbrokerd.cli.doors import Doors, doors
from fdbrokerd.determinable import undeterminable
from fdbrokerd.errors import EX_OSERR, Error
from fdbrokerd.model.settings import Settings
from fdbrokerd.opener import Zygote
from fdbrokerd.opener.child import serve
from fdbrokerd.prctl import hide
from fdbrokerd.rules import loader
from fdbrokerd.rules.determined import check_determined
from fdbrokerd.rules.possible import impossible
from fdbrokerd.rules.settings import check_resources, load_named_settings
from fdbrokerd.server import Server
from fdbrokerd.server.keeping import Keeping
from fdbrokerd.server.kept import divide
from fdbrokerd.server.loaded import Load, Loaded
from fdbrokerd.systemd import Notifier, passed_descriptors


class CannotLog(Error):
    """The audit file cannot be appended to."""

    exit_status = EX_OSERR


def run(config: str | None, pid_file: str, *, detach: bool) -> int:
    """Serve until the end is asked for; return the exit status.

    What can be wrong is found before it detaches, while somebody reads what is said.
    """
    os.umask(UMASK)
    if effective():  # it may do what its user may not, and holds what its user may not have
        hide()
    if detach:  # which changes to /
        config, pid_file = config and os.path.abspath(config), os.path.abspath(pid_file)
    kept, passed = divide(passed_descriptors(os.environ))
    keeping = Keeping.of(os.environ, kept)
    openat2.prove()
    load = partial(load_files, config)
    loaded = load()
    with ExitStack() as stack:
        opened = stack.enter_context(doors(loaded.settings, passed))
        log = stack.enter_context(closing(open_log(loaded.settings)))
        if detach:
            _say_how_long(loaded)
            keep = [*(one.fileno() for one in opened.sockets()), *log.filenos()]
            stack.enter_context(detached(pid_file, keep))
        raise_descriptor_limit()
        # Before there is a loop: a child must have nothing of it.
        zygote = stack.enter_context(closing(Zygote(serve)))
        _serve(loaded, load, log, zygote, opened, keeping)
    return 0


def _say_how_long(loaded: Loaded) -> None:
    """Say, while somebody reads it, that what peers put is not kept by anybody else."""
    if any(one.holding for one in loaded.in_force.ruleset.resources.values()):
        print("fdbrokerd: holding what peers put until this daemon ends", file=sys.stderr)


def load_files(config: str | None) -> Loaded:
    """Read settings and rules, and say what of them cannot work. Raises ConfigurationError."""
    settings = load_named_settings(config)
    ruleset = loader.load(settings.rules_dirs)
    check_resources(settings, ruleset)
    check_determined(ruleset, settings.admins, undeterminable())
    warnings = tuple(str(warning) for warning in impossible(ruleset))
    for warning in warnings:
        print(f"fdbrokerd: warning: {warning}", file=sys.stderr)
    return Loaded(settings, InForce(ruleset, settings.admins, warnings))


def open_log(settings: Settings) -> AuditLog:
    """Return the log that the settings describe. Raises CannotLog."""
    audit = settings.audit
    try:
        return AuditLog(journal=audit.journal, file=audit.file, required=audit.required)
    except OSError as error:
        raise CannotLog(f"cannot append to {audit.file}: {error.strerror}") from error


def raise_descriptor_limit() -> None:
    """Take as many descriptors as we may have: the soft limit is for users of select(2)."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def new_loop() -> asyncio.AbstractEventLoop:
    """Return uvloop's loop where it is installed, else asyncio's."""
    try:
        import uvloop  # noqa: PLC0415 (an extra, and slow to import in vain)
    except ImportError:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


def _serve(
    loaded: Loaded, load: Load, log: AuditLog, zygote: Zygote, opened: Doors, keeping: Keeping
) -> None:
    """Run the server on a loop of its own."""
    with closing(new_loop()) as loop, closing(Notifier(os.environ, sys.stderr)) as notifier:
        server = Server(loop, loaded, load, log, zygote, notifier, keeping)
        stop = asyncio.Event()
        loop.add_signal_handler(signal.SIGHUP, server.on_hangup)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        with closing(server):
            for door in opened.listening:
                server.listen(door.socket, door.scope)
            for connected in opened.connected:
                server.serve(connected)
            loop.run_until_complete(server.run(stop))
