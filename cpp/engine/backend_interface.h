#pragma once

#include "ggml-backend.h"
#include "ggml.h"

/// The only symbol of a GPU backend's library file: backends/backend.cpp defines it, and
/// backend_files.cpp looks it up.
#define GPUSTACK_DRAW_BACKEND_SYMBOL gpustack_draw_backend

namespace gpustack_draw {

/// What a GPU backend's library file offers. Its ggml is another copy than the extension's: both
/// use the same structs, so their `abi` must be equal before anything else is read.
struct BackendInterface {
  const char* abi;  ///< ENGINE_ABI of cmake/EngineSource.cmake. Always the first member.
  ggml_backend_reg_t (*backend)();  ///< Returns the backend; null if its driver does not work.
  void (*log_to)(ggml_log_callback on_line, void* user_data);
  const char* missing_shaders;  ///< See missing_shaders() in backend_files.h.
};

}  // namespace gpustack_draw
