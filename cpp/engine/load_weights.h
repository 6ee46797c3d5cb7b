#pragma once

#include <map>
#include <set>
#include <string>

#include "model.h"

namespace gpustack_draw {

using Tensors = std::map<std::string, ggml_tensor*>;

/// Call the library's own ModelLoader::load_tensors(), which the build renames.
bool load_weights(ModelLoader& loader, on_new_tensor_cb_t on_new_tensor, int threads, bool mmap);
bool load_weights(ModelLoader& loader, Tensors& tensors, std::set<std::string> ignored, int threads,
                  bool mmap);

}  // namespace gpustack_draw
