# SPDX-License-Identifier: MIT
"""The harnesses. Each is a module with `check`, and `TOKENS` that its inputs are made of.

`check(data)` returns where everything that is promised of these bytes holds, and raises otherwise.
"""
