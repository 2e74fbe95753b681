# SPDX-License-Identifier: MIT
"""What is out, and how much may be: leases, rates and the processes that hold them."""

from fdbrokerd.leases.ledger import Admission, Leases

__all__ = ["Admission", "Leases"]
