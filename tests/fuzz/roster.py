# SPDX-License-Identifier: MIT
"""The harnesses by name, and the corpus of each."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .targets import answers, calls, deposit, framing, pattern, record, rules, settings, table

CORPUS = Path(__file__).with_name("corpus")


@dataclass(frozen=True, slots=True)
class Target:
    """A harness: what it does with bytes, what its inputs are made of, and how long they are."""

    name: str
    check: Callable[[bytes], None]
    tokens: tuple[bytes, ...]
    max_bytes: int = 1024

    def corpus(self) -> list[bytes]:
        """Return the inputs that are in the repository; the empty one always."""
        files = sorted((CORPUS / self.name).glob("*"))
        return [b"", *(file.read_bytes() for file in files)]


TARGETS = {
    target.name: target
    for target in (
        Target("framing", framing.check, framing.TOKENS, 512),
        Target("calls", calls.check, calls.TOKENS, 2048),
        Target("rules", rules.check, rules.TOKENS, 4096),
        Target("settings", settings.check, settings.TOKENS, 2048),
        Target("pattern", pattern.check, pattern.TOKENS, 300),
        Target("table", table.check, table.TOKENS, 2048),
        Target("answers", answers.check, answers.TOKENS),
        Target("deposit", deposit.check, deposit.TOKENS, 64),
        Target("record", record.check, record.TOKENS),
    )
}
