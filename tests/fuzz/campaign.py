# SPDX-License-Identifier: MIT
"""Every harness for some time, by atheris where it is installed, else by mutation alone."""

import hashlib
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from . import worker
from .mutation import Mutator
from .roster import CORPUS, Target

FINDINGS = Path(__file__).parents[2] / "fuzz-findings"
"""Where inputs are kept that broke a promise. Not in the repository."""

_RUNS = re.compile(rb"stat::number_of_executed_units: (\d+)")
_MORE_SECONDS = 60.0
"""Until atheris has started and ended: it rewrites the code of all that it looks at."""


@dataclass(frozen=True, slots=True)
class Tried:
    """How many inputs a harness was given, and the files of those that broke a promise."""

    target: str
    inputs: int
    findings: tuple[Path, ...] = ()


def engine() -> str:
    """Return what finds the inputs."""
    return "atheris" if find_spec("atheris") else "mutation"


def run(target: Target, seconds: float, seed: int) -> Tried:
    """Fuzz one harness. What it finds is said, with how to try it again."""
    FINDINGS.mkdir(exist_ok=True)
    return (_guided if engine() == "atheris" else _mutated)(target, seconds, seed)


def _mutated(target: Target, seconds: float, seed: int) -> Tried:
    inputs = Mutator(seed, target.corpus(), target.tokens, target.max_bytes).inputs()
    outcome = worker.run(target, inputs, seconds, sys.maxsize)
    if outcome.data is None:
        return Tried(target.name, outcome.tried)
    return Tried(target.name, outcome.tried, (keep(target, outcome.data, outcome.said),))


def keep(target: Target, data: bytes, said: str) -> Path:
    """Write an input to a file of its own, and say how to try it again."""
    FINDINGS.mkdir(exist_ok=True)
    path = FINDINGS / f"{target.name}-{hashlib.sha256(data).hexdigest()[:12]}"
    path.write_bytes(data)
    print(f"{said}\n{path}: again by tools/fuzz --replay {target.name} {path}", file=sys.stderr)
    return path


def _guided(target: Target, seconds: float, seed: int) -> Tried:
    """Run libFuzzer in a process: it ends it at the first finding."""
    with tempfile.TemporaryDirectory(prefix="fdbroker-fuzz-") as found:
        words = Path(found) / "dictionary"
        words.write_text("".join(f'"{_escaped(token)}"\n' for token in target.tokens))
        kept = Path(found) / "corpus"
        kept.mkdir()
        options = (
            f"-max_total_time={int(seconds)}", f"-seed={seed}", f"-max_len={target.max_bytes}",
            f"-dict={words}", f"-timeout={worker.INPUT_SECONDS:.0f}", "-rss_limit_mb=768",
            f"-artifact_prefix={found}/", "-print_final_stats=1", "-verbosity=0",
        )  # fmt: skip
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                f"{__package__}.guided",
                target.name,
                *options,
                str(kept),
                str(CORPUS / target.name),
            ],
            capture_output=True,
            check=False,
            timeout=seconds + _MORE_SECONDS,
        )
        count = _RUNS.search(done.stderr)
        paths = tuple(
            keep(target, path.read_bytes(), done.stderr.decode(errors="replace"))
            for path in sorted(Path(found).glob("*-*"))
        )
        if not paths and (done.returncode or count is None):
            raise RuntimeError(done.stderr.decode(errors="replace"))
    return Tried(target.name, 0 if count is None else int(count[1]), paths)


def _escaped(token: bytes) -> str:
    """Return it as libFuzzer's dictionaries have it."""
    return "".join(f"\\x{byte:02X}" for byte in token)
