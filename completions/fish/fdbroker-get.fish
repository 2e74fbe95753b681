# SPDX-License-Identifier: MIT
# fish completion for fdbroker-get, fdbroker-put, fdbrokerctl and fdbrokerd.
#
# One file under four names, since fish loads by the name of the command. Names are asked of the
# broker; where there is none, nothing is offered, and nothing is said.

# Print names: for `get` resources and items, for `put` stores and items, for `items` and `all` as said.
# A store is no answer by itself: its name ends with the slash that its items go on from.
function __fdbroker_names --argument-names wanted
    set -l words (commandline -opc)
    set -l where
    for at in (seq (count $words))
        switch $words[$at]
            case --socket --server-uid
                set -l next (math $at + 1)
                if set -q words[$next]
                    set -a where "$words[$at]=$words[$next]"
                end
            case '--socket=*' '--server-uid=*'
                set -a where $words[$at]
        end
    end
    fdbrokerctl list --timeout 1 $where 2>/dev/null | tail -n +2 | while read -l name kind _rest
        switch "$wanted:$kind:$name"
            case 'items:*:*/*' 'get:*:*/*' 'put:*:*/*' 'all:*'
                echo $name
            case 'get:store:*' 'put:store:*'
                echo $name/
            case 'get:*'
                echo $name
        end
    end
end

# Tell whether the command after -- has begun.
function __fdbroker_in_command
    contains -- -- (commandline -opc)
end

# Tell whether one of these is the verb of fdbrokerctl; without any, whether there is none yet.
function __fdbroker_verb
    set -l words (commandline -opc)
    for word in $words[2..-1]
        if not string match -q -- '-*' $word
            contains -- $word $argv
            return
        end
    end
    test (count $argv) -eq 0
end

function __fdbroker_asking --argument-names program condition
    complete -c $program -n $condition -l socket -r -d 'where the broker is'
    complete -c $program -n $condition -l timeout -x -d 'for connecting and for each answer'
    complete -c $program -n $condition -l server-uid -x -d 'believe a broker of this user'
end

for program in fdbroker-get fdbrokerd
    complete -c $program -n __fdbroker_in_command -xa '(__fish_complete_subcommand --fcs-skip=(contains -i -- -- (commandline -opc)))'
end
for program in fdbroker-get fdbroker-put
    __fdbroker_asking $program 'not __fdbroker_in_command'
    complete -c $program -n 'not __fdbroker_in_command' -f
    complete -c $program -n 'not __fdbroker_in_command' -l json -d 'print the reply'
    complete -c $program -n 'not __fdbroker_in_command' -s q -l quiet -d 'say nothing on standard error'
    complete -c $program -n 'not __fdbroker_in_command' -s E -x -d 'exit with this instead of 64 to 78'
    complete -c $program -n 'not __fdbroker_in_command' -s h -l help -d 'print a summary'
    complete -c $program -n 'not __fdbroker_in_command' -l version -d 'print the version'
end

set -l get -c fdbroker-get -n 'not __fdbroker_in_command'
complete $get -a '(__fdbroker_names get)'
complete $get -l fd -x -d 'at this number, further ones after it'
complete $get -l stdin -d 'as standard input'
complete $get -l stdout -d 'as standard output'
complete $get -l stdio -d 'as standard input, output and error'
complete $get -l env -x -d 'its number in a variable'
complete $get -s I -x -d 'its number instead of a text in the arguments'
complete $get -l listen -d 'from 3 on, with LISTEN_FDS'
complete $get -s r -l resource -x -d 'several resources, all or none'
complete $get -l take -d 'remove the item for good'
complete $get -l wait -d 'wait for an item that is not there'
complete $get -l force -d 'replace what is open at a number'

set -l put -c fdbroker-put
complete $put -a '(__fdbroker_names put)'
complete $put -l fd -x -d 'this descriptor'
complete $put -l replace -d 'in the place of an item of this name'
complete $put -l ttl -x -d 'remove it by itself after a time'
complete $put -l meta -x -d 'what they who get it are to read'

set -l ctl -c fdbrokerctl
complete $ctl -f
complete $ctl -s h -l help -d 'print a summary'
complete $ctl -n __fdbroker_verb -l version -d 'print the version'
complete $ctl -n __fdbroker_verb -a list -d 'what this process may get, and what is held'
complete $ctl -n __fdbroker_verb -a remove -d 'remove items'
complete $ctl -n __fdbroker_verb -a watch -d 'tell what happens to items'
complete $ctl -n __fdbroker_verb -a whoami -d 'who the broker takes this process for'
complete $ctl -n __fdbroker_verb -a explain -d 'whether somebody may do something, and why'
complete $ctl -n __fdbroker_verb -a ping -d 'whether the broker answers'
complete $ctl -n __fdbroker_verb -a status -d 'how the broker is'
complete $ctl -n __fdbroker_verb -a reload -d 'read the rules again'
complete $ctl -n __fdbroker_verb -a who-can -d 'who may do something'
complete $ctl -n __fdbroker_verb -a check -d 'every mistake in settings and rules'
complete $ctl -n __fdbroker_verb -a graph -d 'who may get what, as a picture'
complete $ctl -n __fdbroker_verb -a schema -d 'what the files may hold, for editors'
complete $ctl -n __fdbroker_verb -a doctor -d 'what this machine can do for the broker'
complete $ctl -n 'not __fdbroker_verb' -l json -d 'print JSON'
__fdbroker_asking fdbrokerctl 'not __fdbroker_verb; and not __fdbroker_verb check graph schema'
complete $ctl -n '__fdbroker_verb list' -s l -l long -d 'who put it, when, what it is'
complete $ctl -n '__fdbroker_verb watch' -l exec -r -d 'run this for each event'
complete $ctl -n '__fdbroker_verb explain who-can' -l do -xa 'get put take remove list watch' -d 'what to do with it'
complete $ctl -n '__fdbroker_verb explain' -l as -x -d 'as a peer that is made up'
complete $ctl -n '__fdbroker_verb explain' -l pid -xa '(__fish_complete_pids)' -d 'as a process that runs'
complete $ctl -n '__fdbroker_verb explain' -l request -x -d 'a denial of the recent past'
complete $ctl -n '__fdbroker_verb explain who-can check graph' -l rules -rF -d 'rule files'
complete $ctl -n '__fdbroker_verb check graph' -l config -rF -d 'the settings'
complete $ctl -n '__fdbroker_verb graph' -l format -xa 'dot mermaid' -d 'for which program'
complete $ctl -n '__fdbroker_verb remove' -a '(__fdbroker_names items)'
complete $ctl -n '__fdbroker_verb watch explain who-can' -a '(__fdbroker_names all)'
complete $ctl -n '__fdbroker_verb check' -F
complete $ctl -n '__fdbroker_verb schema' -a 'rules settings'

set -l daemon -c fdbrokerd -n 'not __fdbroker_in_command'
complete $daemon -f
complete $daemon -l config -rF -d 'the settings'
complete $daemon -l daemonize -d 'detach, for systems without systemd'
complete $daemon -l pid-file -rF -d 'with --daemonize'
complete $daemon -l run -d 'a private broker for one command'
complete $daemon -s h -l help -d 'print a summary'
complete $daemon -l version -d 'print the version'
