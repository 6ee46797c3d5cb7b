// The interface of a GPU backend's library file, for the extension that loads it.

#include "engine/backend_interface.h"

#if defined(GPUSTACK_DRAW_BACKEND_vulkan)
#include "ggml-vulkan.h"
#define GPUSTACK_DRAW_GGML_BACKEND ggml_backend_vk_reg
#else  // CUDA, and ROCm, which compiles the code for CUDA
#include "ggml-cuda.h"
#define GPUSTACK_DRAW_GGML_BACKEND ggml_backend_cuda_reg
#endif

#ifndef GPUSTACK_DRAW_MISSING_SHADERS  // of Vulkan; other backends are compiled whole
#define GPUSTACK_DRAW_MISSING_SHADERS ""
#endif

#ifdef _WIN32
#define GPUSTACK_DRAW_EXPORT __declspec(dllexport)
#else
#define GPUSTACK_DRAW_EXPORT __attribute__((visibility("default")))
#endif

extern "C" {
GPUSTACK_DRAW_EXPORT extern const gpustack_draw::BackendInterface GPUSTACK_DRAW_BACKEND_SYMBOL;
const gpustack_draw::BackendInterface GPUSTACK_DRAW_BACKEND_SYMBOL = {
    GPUSTACK_DRAW_ENGINE_ABI, &GPUSTACK_DRAW_GGML_BACKEND, &ggml_log_set,
    GPUSTACK_DRAW_MISSING_SHADERS};
}
