#compdef gpustack-draw
# Completion of gpustack-draw for zsh. The command itself answers what can come next.
_gpustack_draw() {
  local line files
  local -a lines candidates endings
  lines=("${(@f)$("${words[1]/#\~\//$HOME/}" completion --words \
    "${(@Q)words[2,CURRENT-1]}" "$PREFIX" 2>/dev/null)}")
  for line in $lines; do
    if [[ $line == :files* ]]; then
      files=1
      endings=(${=line#:files})
    else
      candidates+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
    fi
  done
  (( ${#candidates} )) && _describe -t candidates candidate candidates
  if [[ -n $files ]]; then
    if (( ${#endings} )); then
      # _files would offer all files where none of these endings is there.
      _path_files -/
      _path_files -g "*.(${(j:|:)endings})(-.)"
    else
      _files
    fi
  fi
}

if [[ $funcstack[1] == _gpustack-draw ]]; then
  _gpustack_draw "$@"
else
  compdef _gpustack_draw gpustack-draw
fi
