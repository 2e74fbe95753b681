# SPDX-License-Identifier: MIT
"""The command line of fdbroker-get, as GNU programs have it."""

import pytest

from fdbrokerd.cli.get_options import GetOptions
from fdbrokerd.errors import UsageError

GOOD = {
    "resource": ["pty"],
    "arguments": ["pty", "rows=24", "columns="],
    "a value with an equals sign": ["pty", "a=b=c"],
    "options behind": ["pty", "rows=24", "-q", "--timeout", "3"],
    "bundled": ["-qE5", "pty"],
    "bundled apart": ["-qE", "5", "pty"],
    "abbreviated": ["--sock=@x", "--ti=3", "pty"],
    "both in one word": ["--socket=@x", "pty"],
    "in two": ["--socket", "@x", "pty"],
    "a place": ["pty", "--fd", "3", "--", "true"],
    "an optional value": ["pty", "--stdin=master", "--", "true"],
    "none of it": ["pty", "--stdio", "--", "true"],
    "several": ["-r", "3=tls,part=key", "-r", "CHAIN=tls", "-rlisten=port", "--", "true"],
    "several with names": ["-r", "3:slave=pty", "-r", "stdin:master=pty", "--", "true"],
    "several as JSON": ["-r", "3=a", "--json", "-r", "4=b"],
    "for ever": ["--timeout", "infinity", "pty"],
}


@pytest.mark.parametrize("words", GOOD.values(), ids=GOOD.keys())
def test_good(words: list[str]) -> None:
    if "--json" in words:
        with pytest.raises(UsageError, match="needs a command"):
            GetOptions(words)
    else:
        assert GetOptions(words).requests


BAD = {
    "nothing": ([], "no resource"),
    "unknown": (["--nope", "pty"], "unknown option --nope"),
    "unknown letter": (["-qx", "pty"], "unknown option -x"),
    "ambiguous": (["--s", "pty"], "could be --stdin or --stdout or --stdio or --socket or"),
    "no value": (["pty", "--fd"], "option --fd needs a value"),
    "no value for a letter": (["pty", "-qE"], "option -E needs a value"),
    "a value for none": (["--json=1", "pty"], "option --json takes no value"),
    "no argument": (["pty", "true"], "not an argument: 'true': give NAME=VALUE"),
    "no name": (["pty", "=x"], "not an argument"),
    "twice": (["pty", "a=1", "a=2"], "argument a is given twice"),
    "no command": (["pty", "--"], "no command after --"),
    "a place without": (["pty", "--fd", "3"], "needs a command"),
    "JSON with": (["pty", "--json", "--", "true"], "do not go together"),
    "no number": (["pty", "--fd", "x", "--", "true"], "--fd x: give N or N:NAME"),
    "a large number": (["pty", "--fd", "4294967296", "--", "true"], "give N"),
    "no variable": (["pty", "--env", "a-b", "--", "true"], "not a variable's name"),
    "an empty text": (["pty", "-I", "", "--", "true"], "give a text to replace"),
    "two ways": (["pty", "-r", "3=tls", "--", "true"], "-r says what and where"),
    "no place": (["-r", "tls", "--", "true"], "give PLACE=RESOURCE"),
    "several, no command": (["-r", "3=tls", "-r", "4=tls"], "needs a command"),
    "no time": (["--timeout", "soon", "pty"], "give seconds"),
    "no time at all": (["--timeout", "0", "pty"], "give seconds"),
    "not a number of seconds": (["--timeout", "nan", "pty"], "give seconds"),
    "a status": (["-E", "256", "pty"], "give a number up to 255"),
    "a uid": (["--server-uid", "root", "pty"], "give a number"),
}


@pytest.mark.parametrize(("words", "said"), BAD.values(), ids=BAD.keys())
def test_bad(words: list[str], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        GetOptions(words)
    assert said in str(caught.value)


def test_what_is_meant() -> None:
    options = GetOptions(
        [
            "tls",
            "--fd=3:key",
            "part=key",
            "-q",
            "--env",
            "KEY_FD=key",
            "-E9",
            "--",
            "x",
            "--fd",
            "--",
        ]
    )
    (request,) = options.requests
    assert (request.resource, request.arguments) == ("tls", {"part": "key"})
    assert [(p.what, p.numbers, p.text, p.name) for p in request.places] == [
        ("fd", (3,), "", "key"),
        ("env", (), "KEY_FD", "key"),
    ]
    assert (options.command, options.quiet, options.error_status) == (["x", "--fd", "--"], True, 9)


def test_help_needs_nothing_else() -> None:
    assert GetOptions(["-h"]).help
    assert GetOptions(["--version"]).version
