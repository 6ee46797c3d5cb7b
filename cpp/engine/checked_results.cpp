// Reads what a graph of the library has computed, and looks for NaN and infinity in it.
//
// The build compiles the library's graphs with another name for ggml's function
// (cmake/EngineLibrary.cmake), so that they call the one below. Every result passes through it:
// those of text encoders, denoiser and decoder.

#include "engine/library_session.h"
#include "ggml-backend.h"

extern "C" void gpustack_draw_tensor_get(const ggml_tensor* tensor, void* data, std::size_t offset,
                                         std::size_t size) {
  ggml_backend_tensor_get(tensor, data, offset, size);
  if (tensor->type == GGML_TYPE_F32) {
    gpustack_draw::LibrarySession::check_result(static_cast<const float*>(data),
                                                size / sizeof(float));
  }
}
