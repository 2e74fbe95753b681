# SPDX-License-Identifier: MIT
"""Fuzzers: what reads bytes of others, fed with bytes that nobody would think of.

    targets/    one harness each: bytes in, an exception out where a promise is broken
    choices     bytes as decisions, so that one corpus serves every engine
    mutation    changes of inputs that were interesting, without knowing what they cover
    worker      runs a harness in a process with bounds, and keeps the input that broke it
    guided      the same harnesses under atheris, which sees what each input covers
    corpus/     what is tried first, and in every run of CI
    storm       frames over a real socket to a real daemon
    ledger      records counted against requests

`tools/fuzz` is the program; `test_*.py` are its short forms.
"""
