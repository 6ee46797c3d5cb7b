// Computes the library's graphs: stops them, and checks their results for NaN and infinity.
//
// The build renames functions of ggml in the library's graph code (cmake/EngineLibrary.cmake), so
// that it calls the functions below. Every graph of text encoders, denoiser and decoder, and all
// their results, pass through them.

#include <new>
#include <string_view>
#include <system_error>

#include "engine/graph_stop.h"
#include "engine/number_checks.h"
#include "ggml-backend.h"
#include "ggml-cpu.h"

namespace {

using gpustack_draw::GraphStop;

ggml_status compute(ggml_backend_t backend, ggml_cgraph* graph) {
  if (GraphStop::is_requested()) {
    return GGML_STATUS_ABORTED;
  }
  if (ggml_backend_is_cpu(backend)) {
    ggml_backend_cpu_set_abort_callback(
        backend, [](void* /*data*/) { return GraphStop::is_requested(); }, nullptr);
  }
  try {
    return ggml_backend_graph_compute(backend, graph);
  } catch (const std::system_error& error) {  // of Vulkan, which allocates while it computes
    const std::string_view what = error.what();
    if (what.find("OutOfDeviceMemory") != std::string_view::npos ||
        what.find("OutOfHostMemory") != std::string_view::npos) {
      return GGML_STATUS_ALLOC_FAILED;
    }
    throw;
  }
}

}  // namespace

extern "C" ggml_status gpustack_draw_graph_compute(ggml_backend_t backend, ggml_cgraph* graph) {
  const ggml_status status = compute(backend, graph);
  if (status == GGML_STATUS_ALLOC_FAILED) {
    throw std::bad_alloc();  // the library would log it, or end the process
  }
  return status == GGML_STATUS_ABORTED && GraphStop::must_succeed() ? GGML_STATUS_SUCCESS : status;
}

extern "C" void gpustack_draw_tensor_get(const ggml_tensor* tensor, void* data, std::size_t offset,
                                         std::size_t size) {
  ggml_backend_tensor_get(tensor, data, offset, size);
  if (tensor->type == GGML_TYPE_F32) {
    gpustack_draw::NumberChecks::check_result(static_cast<const float*>(data),
                                              size / sizeof(float));
  }
}
