# SPDX-License-Identifier: MIT
"""Who takes part: each module starts one of them and says how it is asked."""
