# SPDX-License-Identifier: MIT
"""The benchmark suite: fdbrokerd, the floor under it and its peers, measured in one run.

    python -m bench [--quick] [--check] [--write]        (tools/bench makes what it needs first)

`work` says what is measured, `rounds` how, `budgets` what may come out, `peers/` who takes part;
`curves` and `crowd` how it scales.
"""
