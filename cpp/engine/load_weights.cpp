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

#ifndef _WIN32
#include <ctime>

/// Replaces nanosleep() in the library's loader, which looks after its threads every 200 ms: most
/// models are loaded sooner.
extern "C" int gpustack_draw_nanosleep(const timespec* /*duration*/, timespec* remaining) {
  constexpr timespec pause{0, 5'000'000};
  return nanosleep(&pause, remaining);
}
#endif
