#pragma once

#include <vector>

#include "model_io/tensor_storage.h"

namespace gpustack_draw {

/// Adds a placeholder for the token embedding to the tensors of a file that contains a UNet without
/// text encoders, and the library's prefix to their names; leaves others unchanged.
void add_encoder_placeholder(std::vector<TensorStorage>& tensors);

}  // namespace gpustack_draw
