# SPDX-License-Identifier: MIT
"""Who is asking, shown with real processes: other users, namespaces, and processes that end."""
