# Completion of gpustack-draw for fish. The command itself answers what can come next.
function __gpustack_draw_complete
    set -l current (commandline -ct)
    set -l words (commandline -opc)
    set -l program (string replace -r '^~/' "$HOME/" -- $words[1])
    for line in ($program completion --words $words[2..-1] "$current" 2>/dev/null)
        if not string match -q ':files*' -- $line
            echo $line
            continue
        end
        set -l endings (string split ' ' -- $line)[2..-1]
        if test (count $endings) -eq 0
            __fish_complete_path "$current"
        else
            __fish_complete_path "$current" | string match -r '^[^\t]*(?:/|\.(?:'(string join '|' $endings)'))(?:\t.*)?$'
        end
    end
end

complete -c gpustack-draw -f -a '(__gpustack_draw_complete)'
