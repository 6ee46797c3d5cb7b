# A command, where the word is the first, and a model: 'demo', those in the hub client's cache, files.
function _gpustack_draw_model
  if test (count (commandline -opc)) -eq 1
    string split ' ' '@COMMANDS@'
  end
  gpustack-draw models --names 2>/dev/null
  __fish_complete_suffix .gguf .safetensors .ckpt
end
