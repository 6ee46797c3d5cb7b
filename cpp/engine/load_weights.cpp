// Reaches the library's function under the name that the build gives it
// (cmake/EngineLibrary.cmake). A file of its own, because checked_weights.cpp defines the function
// of the old name, and a class declares one of the two.

#define load_tensors library_load_tensors
#include "engine/load_weights.h"
#undef load_tensors

#include <utility>

namespace gpustack_draw {

bool load_weights(ModelLoader& loader, on_new_tensor_cb_t on_new_tensor, int threads, bool mmap) {
  return loader.library_load_tensors(std::move(on_new_tensor), threads, mmap);
}

bool load_weights(ModelLoader& loader, Tensors& tensors, std::set<std::string> ignored, int threads,
                  bool mmap) {
  return loader.library_load_tensors(tensors, std::move(ignored), threads, mmap);
}

}  // namespace gpustack_draw
