# SPDX-License-Identifier: MIT
"""What is held: the table that outlives the daemon, and the items."""
