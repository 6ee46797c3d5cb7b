# A command, where the word is the first, and a model: 'demo', those in the hub client's cache, files.
_gpustack_draw_model() {
  local -a models commands
  models=(${(f)"$(_call_program models gpustack-draw models --names 2>/dev/null)"})
  commands=(${=_gpustack_draw_commands})
  _alternative \
    'commands:command:compadd -a commands' \
    'models:model:compadd -a models' \
    'files:model file:_files -g "*.(gguf|safetensors|ckpt)(-.)"'
}

# The command 'draw' may be left out.
if [[ $zsh_eval_context[-1] != eval ]]; then
  local _gpustack_draw_commands=
  if (( CURRENT == 2 )) || [[ " @COMMANDS@ " != *" ${words[2]} "* ]]; then
    (( CURRENT == 2 )) && _gpustack_draw_commands="@COMMANDS@"
    words=("${words[1]}" draw "${(@)words[2,-1]}")
    (( CURRENT++ ))
  fi
fi
