// Checks the results of the library's graphs for NaN and infinity.
//
// The build renames ggml_backend_tensor_get() in the library's graph code
// (cmake/EngineLibrary.cmake), so that it calls the function below. The results of text encoders,
// denoiser and decoder all pass through it.

#include "engine/number_checks.h"
#include "ggml-backend.h"

extern "C" void gpustack_draw_tensor_get(const ggml_tensor* tensor, void* data, std::size_t offset,
                                         std::size_t size) {
  ggml_backend_tensor_get(tensor, data, offset, size);
  if (tensor->type == GGML_TYPE_F32) {
    gpustack_draw::NumberChecks::check_result(static_cast<const float*>(data),
                                              size / sizeof(float));
  }
}
