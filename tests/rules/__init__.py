# SPDX-License-Identifier: MIT
"""Tests of the layer from YAML files to a ruleset."""
