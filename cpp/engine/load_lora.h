#pragma once

#include <string>

#include "model.h"

namespace gpustack_draw {

/// Loads a LoRA, and corrects it where the library would use it wrongly:
///
/// - For rank 1 the library divides alpha by the number of inputs instead of by the rank.
/// - It ignores the parts of a fused matrix that follow a missing part.
/// - The factors of a LoKr for a linear layer end the process.
///
/// Call it whenever the library calls ModelLoader::load_tensors(): first to learn which tensors the
/// file has, then to read them.
///
/// @throws EngineError The file cannot be read; the library would draw with what it could read.
/// @throws DamagedLoraError The file contains NaN or infinity.
void load_lora(ModelLoader& loader, SDVersion version, const std::string& path,
               const on_new_tensor_cb_t& on_new_tensor, int threads, bool mmap);

}  // namespace gpustack_draw
