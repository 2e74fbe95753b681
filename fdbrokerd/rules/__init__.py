# SPDX-License-Identifier: MIT
"""YAML files to frozen values: strict, and every mistake with its file, line and column.

document     text -> a tree of nodes that know their places; nothing is typed by YAML
reader       a node and a table of keys -> values (`scalar` reads the single words)
resource, peer, rule, expectation      the sections of a rule file
survey       which files of several directories count
loader       all of it -> a Ruleset, or every mistake at once
settings     the daemon's own file
"""
