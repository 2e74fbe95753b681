# SPDX-License-Identifier: MIT
# Complete each line of standard input as the line editor would, and print what is offered.
#
# The completion system's own functions need a terminal; they are told here by what they are given.
_arguments() { print -rl -- "$@" }
_normal() { print -r -- "command:$words" }
compadd() { local array=$argv[-1]; print -rl -- ${(P)array} }
while IFS= read -r line; do
    words=(${=line})
    [[ $line == *' ' ]] && words+=('')
    CURRENT=$#words
    service=$words[1]
    print -r -- "$line"$'\t'"${(pj:\x01:)${(f)"$(. $COMPLETIONS/zsh/_fdbroker)"}}"
done
