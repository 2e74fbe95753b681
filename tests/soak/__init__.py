# SPDX-License-Identifier: MIT
"""Many requests of every kind against one daemon, and everything counted."""
