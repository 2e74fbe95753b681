# SPDX-License-Identifier: MIT
"""What fdbroker-put --help prints."""

HELP = """\
Usage: fdbroker-put [OPTION...] STORE/ITEM

Put descriptors under a name: whoever a rule allows it gets them by that name,
also when this process is gone. Prints nothing.

  --fd N[:NAME]      this descriptor, as NAME within the item; given again, all
                     of them or none are put. Standard input if left out.
                     Without a name: fd, or of several fd0, fd1 and so on
  --replace          in the place of an item of this name; who gets it meanwhile
                     gets either the one or the other
  --ttl TIME         remove it by itself after 30s, 5min, 2h, 1d ...
  --meta KEY=VALUE   what they who get it are to read; may be given again

Options:
  --socket ADDR      where the broker is: @NAME, a path, or fd:N
  --timeout SECONDS  for connecting and for each answer (45); or infinity
  --server-uid UID   believe a broker of this user, beside root and yourself
  --json             print the reply
  -q, --quiet        say nothing on standard error, but for a wrong command line
  -E N               exit with N instead of this program's own 64 to 78
  -h, --help         print this
  --version          print the version

  fdbroker-put slots/note < note.txt
  fdbroker-put slots/web --fd 3:http --fd 4:https --meta port=80

Exit status: 0; 64 usage, or a descriptor that the store does not take; 65
nonsense answered, or descriptors went missing; 69 no broker, or not one to
believe; 71 a system call failed; 73 there is such an item; 75 try again, or a
limit is reached; 77 denied; 78 configuration.

Environment: FDBROKER_SOCKET, FDBROKER_SERVER_UID.
"""
