// Calls the library's functions by their new name (cmake/EngineLibrary.cmake). This is a separate
// file because the class declares either name, and checked_weights.cpp defines the old one.

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
