# SPDX-License-Identifier: MIT
"""What was asked, by whom, and what came of it: one record for each request, on every path."""

from fdbrokerd.audit.log import AuditLog
from fdbrokerd.audit.record import Record

__all__ = ["AuditLog", "Record"]
