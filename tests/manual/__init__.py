# SPDX-License-Identifier: MIT
"""The manual pages, the completions, the journal's catalog and the documents, against the code."""
