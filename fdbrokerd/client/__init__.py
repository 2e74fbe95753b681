# SPDX-License-Identifier: MIT
"""The client library. Import its names from `fdbrokerd`.

endpoint      which address, and whether who answers there may be believed
conversation  a call to bytes, bytes and descriptors to a reply; no input or output
fields        the fields of a reply, each read with its type
grant, facts  what the replies become
connection    the socket and the conversation on it
questions     what can be asked, and what becomes of the answer
link          asks, and waits for the answer; async_link does so for asyncio
offer         what is to be put; deposit: where it is sent
taking, watch an item that is reserved; what happens to items
client, aio   the two clients
popen         starts a program with descriptors at the numbers that it wants
"""
