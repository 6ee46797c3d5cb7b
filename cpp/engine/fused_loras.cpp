// Adds LoRAs for some parts of a fused matrix.
//
// The library joins the results of the parts that a LoRA has, and adds them to the result of the
// fused matrix. If the last parts are missing it would repeat what there is, or end the process.
// The build renames ggml_add_inplace() in the library's graph code (cmake/EngineLibrary.cmake), so
// that it calls the function below.

#include "ggml.h"

extern "C" ggml_tensor* gpustack_draw_add_inplace(ggml_context* context, ggml_tensor* sum,
                                                  ggml_tensor* addend) {
  const bool lacks_parts = addend->ne[0] > 1 && addend->ne[0] < sum->ne[0] &&
                           addend->ne[1] == sum->ne[1] && addend->ne[2] == sum->ne[2] &&
                           addend->ne[3] == sum->ne[3];
  if (lacks_parts) {
    addend = ggml_pad(context, addend, static_cast<int>(sum->ne[0] - addend->ne[0]), 0, 0, 0);
  }
  return ggml_add_inplace(context, sum, addend);
}
