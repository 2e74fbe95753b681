# SPDX-License-Identifier: MIT
"""A harness under atheris: `python -m tests.fuzz.guided TARGET OPTION_OF_LIBFUZZER...`.

libFuzzer ends the process at the first input that breaks a promise, and has written it to a file.
"""

import sys

import atheris

with atheris.instrument_imports(include=["fdbrokerd"]):
    from .roster import TARGETS


def main(arguments: list[str]) -> None:
    """Run libFuzzer; does not return."""
    target = TARGETS[arguments[1]]
    atheris.Setup([arguments[0], *arguments[2:]], target.check)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv)
