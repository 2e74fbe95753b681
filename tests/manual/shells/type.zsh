# SPDX-License-Identifier: MIT
# Type a line and a tab into an interactive zsh, and wait until what is awaited stands there.
#
# usage: zsh -f type.zsh LINE AWAITED
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell 'PS1=; fpath=($COMPLETIONS/zsh $fpath); autoload -Uz compinit; compinit -u -D; print re""ady'
zpty -r shell output '*ready*'
zpty -w -n shell "$1"$'\t'
zpty -r shell output "*$2*"
