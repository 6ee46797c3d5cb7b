// Reports that the memory of a device is used up.
//
// The library ignores the failure of some allocations and reads through a null pointer; after
// others it ends the process or returns no picture. The build renames functions of ggml in the
// library's graph code (cmake/EngineLibrary.cmake), so that it calls the functions below.

#include <new>

#include "ggml-alloc.h"
#include "ggml-backend.h"
#include "ggml.h"

namespace {

bool lacks_memory(ggml_context* context) {
  for (ggml_tensor* tensor = ggml_get_first_tensor(context); tensor != nullptr;
       tensor = ggml_get_next_tensor(context, tensor)) {
    if (tensor->data == nullptr && tensor->view_src == nullptr && ggml_nbytes(tensor) > 0) {
      return true;
    }
  }
  return false;
}

}  // namespace

extern "C" ggml_backend_buffer_t gpustack_draw_alloc_ctx_tensors(ggml_context* context,
                                                                 ggml_backend_t backend) {
  ggml_backend_buffer_t buffer = ggml_backend_alloc_ctx_tensors(context, backend);
  if (buffer == nullptr && lacks_memory(context)) {
    throw std::bad_alloc();
  }
  return buffer;
}

extern "C" bool gpustack_draw_gallocr_reserve(ggml_gallocr_t allocator, ggml_cgraph* graph) {
  if (!ggml_gallocr_reserve(allocator, graph)) {
    throw std::bad_alloc();
  }
  return true;
}

extern "C" bool gpustack_draw_gallocr_alloc_graph(ggml_gallocr_t allocator, ggml_cgraph* graph) {
  if (!ggml_gallocr_alloc_graph(allocator, graph)) {
    throw std::bad_alloc();
  }
  return true;
}
