# SPDX-License-Identifier: MIT
"""The client library. Import its names from `fdbrokerd`.

endpoint      which address, and whether who answers there may be believed
conversation  a call to bytes, bytes and descriptors to a reply; no input or output
fields        the fields of a reply, each read with its type
grant, facts  what the replies become
connection    the socket and the conversation on it
questions     what can be asked
client, aio   how a client waits: blocking, and for asyncio
"""
