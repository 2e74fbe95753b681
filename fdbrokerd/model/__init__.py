# SPDX-License-Identifier: MIT
"""The words of the design as frozen values: peer, resource, rule, request, verdict.

Nothing here touches the system. A value that was made is valid; what makes it valid is checked
where it enters (`fdbrokerd.rules` for files, `fdbrokerd.messages` for the wire).
"""
