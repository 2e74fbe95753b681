# SPDX-License-Identifier: MIT
# Complete each line of standard input, and print what is offered.
source $COMPLETIONS/fish/fdbroker-get.fish
while read --line line
    set -l offered (complete -C $line | string replace -r '\t.*' '')
    printf '%s\t%s\n' $line "$offered"
end
