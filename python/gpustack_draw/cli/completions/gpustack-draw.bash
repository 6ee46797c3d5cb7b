# Completion of gpustack-draw for bash. The command itself answers what can come next.
_gpustack_draw() {
  local index word line glue= found= typed=
  local -a words=() endings=() files=()
  for ((index = 1; index <= COMP_CWORD; index++)); do
    word=${COMP_WORDS[index]}
    # Bash splits words at these marks, as in hf.co/OWNER/REPO:TAG and --seed=7.
    if [[ ${#words[@]} -gt 0 && ($glue || $word =~ ^[:=]+$) ]]; then
      words[${#words[@]} - 1]+=$word
    else
      words+=("$word")
    fi
    [[ $word =~ ^[:=]+$ ]] && glue=1 || glue=
  done
  word=${words[${#words[@]} - 1]}
  # Readline replaces only what follows the last of its marks.
  [[ $word == *=* && $COMP_WORDBREAKS == *=* ]] && typed=${word%"${word##*=}"}
  [[ $word == *:* && $COMP_WORDBREAKS == *:* ]] && typed=${word%"${word##*:}"}
  COMPREPLY=()
  while IFS= read -r line; do
    if [[ $line == :files* ]]; then
      found=1
      read -ra endings <<<"${line#:files}"
    else
      line=${line%%$'\t'*}
      COMPREPLY+=("${line#"$typed"}")
    fi
  done < <("${COMP_WORDS[0]/#\~\//$HOME/}" completion --words "${words[@]}" 2>/dev/null)
  if [[ $found ]]; then
    if [[ ${#COMPREPLY[@]} == 0 ]]; then
      compopt -o filenames 2>/dev/null
      mapfile -t files < <(compgen -d -- "$word")
    else
      mapfile -t files < <(compgen -d -S / -- "$word")
    fi
    for line in "${endings[@]/#/!*.}"; do
      mapfile -t -O "${#files[@]}" files < <(compgen -f -X "$line" -- "$word")
    done
    [[ ${#endings[@]} == 0 ]] && mapfile -t files < <(compgen -f -- "$word")
    COMPREPLY+=("${files[@]}")
  fi
  if [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == */ ]]; then
    compopt -o nospace 2>/dev/null
  fi
  return 0
}

complete -F _gpustack_draw gpustack-draw
