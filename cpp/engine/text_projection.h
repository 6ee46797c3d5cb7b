#pragma once

#include <string>
#include <vector>

#include "engine/load_weights.h"

namespace gpustack_draw {

/// What convert_tensor_name() appends to the name of a projection that is stored as OpenCLIP does.
inline constexpr const char* transposed_suffix = ".transposed";

/// Loads OpenCLIP's projections of a whole prompt as the transposed matrices that they are.
///
/// OpenCLIP multiplies by the matrix from the right, Hugging Face from the left, as the library
/// does with both. While this lives, the library fills the matrices under the names with the
/// suffix.
class TextProjections {
 public:
  TextProjections(ModelLoader& loader, Tensors& tensors);
  ~TextProjections();
  TextProjections(const TextProjections&) = delete;
  TextProjections& operator=(const TextProjections&) = delete;

  /// Transposes what has been loaded.
  void transpose() const;

 private:
  Tensors& tensors_;
  std::vector<std::string> names_;
};

}  // namespace gpustack_draw
