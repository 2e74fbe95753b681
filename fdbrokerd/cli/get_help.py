# SPDX-License-Identifier: MIT
"""What fdbroker-get --help prints."""

HELP = """\
Usage: fdbroker-get [OPTION...] RESOURCE[/ITEM] [ARG=VALUE...] [-- CMD...]
       fdbroker-get [OPTION...] -r PLACE=RESOURCE[,ARG=VALUE...]... -- CMD...

Get descriptors from fdbrokerd and do something useful with them.

Without a command:
  a pty         relay between it and the terminal, or standard input and output;
                its path is told on standard error. Ends when the last one to
                use the slave closes it; ^] three times within a second ends it
  an item       as what it is: a pty's master is relayed, what can be read is
                copied to standard output, what can only be written is fed
  a file        copy it to standard output; one that is opened for writing is
                fed from standard input (and emptied first, unless it appends)

With a command, this process becomes CMD with the descriptors at the lowest free
numbers from 3, told in FDBROKER_FDS and FDBROKER_FDNAMES (3:4, master:slave).
A pty without a place is the controlling terminal of CMD, and is relayed.

Places:
  --fd N[:NAME]      at number N, further ones at N+1 and so on; NAME picks one
  --stdin[=NAME], --stdout[=NAME], --stdio[=NAME]
                     as standard input, output, or both and standard error;
                     of a pty the slave, unless NAME says otherwise
  --env VAR[=NAME]   its number in the variable VAR
  -I STR             its number instead of STR in the arguments of CMD
  --listen           from 3 on, with LISTEN_FDS and so on as systemd sets them
  -r, --resource PLACE=RESOURCE[,ARG=VALUE...]
                     several resources, all or none; PLACE is N[:NAME], stdin,
                     stdout, stdio, listen or VAR[:NAME]
  --take             remove the item for good, so that nobody else gets it: once
                     it is here and can be used, or CMD was found to be runnable
  --wait[=TIME]      wait for an item that is not there: for ever, or 30s, 5min
  --force            replace what is open at a number already

Options:
  --socket ADDR      where the broker is: @NAME, a path, or fd:N
  --timeout SECONDS  for connecting and for each answer (45); or infinity
  --server-uid UID   believe a broker of this user, beside root and yourself
  --json             print the reply and close everything
  -q, --quiet        say nothing on standard error, but for a wrong command line
  -E N               exit with N instead of this program's own 64 to 78
  -h, --help         print this
  --version          print the version

Exit status: that of CMD; 0; 64 usage; 65 nonsense answered, or descriptors went
missing; 66 no such item; 69 no broker, or not one to believe; 71 a system call
failed; 75 try again; 77 denied; 78 configuration; 126, 127 CMD cannot be run,
is not found.

Environment: FDBROKER_SOCKET, FDBROKER_SERVER_UID.
"""
