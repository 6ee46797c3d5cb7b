# A command, where the word is the first, and a model: 'demo', those in the hub client's cache, files.
_gpustack_draw_model() {
  compgen -W "$_gpustack_draw_commands $(gpustack-draw models --names 2>/dev/null)" -- "$1"
  compgen -d -S / -- "$1"
  compgen -f -X '!*.gguf' -- "$1"
  compgen -f -X '!*.safetensors' -- "$1"
  compgen -f -X '!*.ckpt' -- "$1"
}

_gpustack_draw() {
  # Bash ends a word at a colon, as in hf.co/OWNER/REPO:TAG.
  local -a words=()
  local index word last=-1 place=0 glue=
  for index in "${!COMP_WORDS[@]}"; do
    word=${COMP_WORDS[index]}
    if ((index > 1)) && [[ $glue || $word == : ]]; then
      words[last]+=$word
    else
      words+=("$word")
      last=$((last + 1))
    fi
    [[ $word == : ]] && glue=1 || glue=
    ((index == COMP_CWORD)) && place=$last
  done
  # The command 'draw' may be left out.
  local _gpustack_draw_commands=
  if ((place == 1)) || [[ " @COMMANDS@ " != *" ${words[1]} "* ]]; then
    words=("${words[0]}" draw "${words[@]:1}")
    ((place == 1)) && _gpustack_draw_commands="@COMMANDS@"
    place=$((place + 1))
  fi
  local -a COMP_WORDS=("${words[@]}")
  local COMP_CWORD=$place
  _shtab_gpustack_draw
  word=${words[place]}
  if [[ $word == *:* && $COMP_WORDBREAKS == *:* ]]; then
    word=${word%"${word##*:}"}
    COMPREPLY=("${COMPREPLY[@]#"$word"}")
  fi
  if [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == */ ]]; then
    compopt -o nospace 2>/dev/null
  fi
  return 0
}

complete -o bashdefault -F _gpustack_draw gpustack-draw
