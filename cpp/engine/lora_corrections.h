#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "model.h"

namespace gpustack_draw {

/// A tensor that the library receives in addition to those of a LoRA's file: a product of factors
/// of the file, or zeros if `left` is empty.
struct AddedTensor {
  TensorStorage storage;
  std::string left;   ///< Name of the left factor, (rows, rank).
  std::string right;  ///< Name of the right factor, (rank, columns).
  std::string alpha;  ///< Name of the tensor that, divided by the rank, is a factor; may be empty.
  /// Number of the file's tensors that it replaces, less itself.
  int replaced = 0;
};

/// Corrections of a LoRA; see load_lora().
struct LoraCorrections {
  std::vector<AddedTensor> added;
  /// Factors of the values of the tensors alpha, by their names.
  std::map<std::string, float> alphas;
};

LoraCorrections lora_corrections(const String2TensorStorage& tensors, SDVersion version);

}  // namespace gpustack_draw
