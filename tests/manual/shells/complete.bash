# SPDX-License-Identifier: MIT
# Complete each line of standard input as readline would have it, and print what is offered.
. "$COMPLETIONS/bash/fdbroker-get"
compopt() { :; } # is told of a completion that readline began
while IFS= read -r COMP_LINE; do
    COMP_POINT=${#COMP_LINE}
    # As readline divides it; the last piece is what it would replace.
    mapfile -t COMP_WORDS < <(printf '%s' "$COMP_LINE" | sed -E "s/[=:@]+/\n&\n/g; s/[[:space:]]+/\n/g" |
        sed '/^$/d')
    if [[ $COMP_LINE == *[[:space:]=] ]]; then COMP_WORDS+=(""); fi
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    COMPREPLY=()
    _fdbroker "${COMP_WORDS[0]}" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
    printf '%s\t%s\n' "$COMP_LINE" "${COMPREPLY[*]}"
done
