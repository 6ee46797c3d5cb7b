#pragma once

#include <string>
#include <vector>

#include "engine/load_weights.h"

namespace gpustack_draw {

/// Suffix that convert_tensor_name() appends to the names of projections in OpenCLIP's layout.
inline constexpr const char* transposed_suffix = ".transposed";

/// Returns true for a name with this suffix.
bool is_transposed(const std::string& name);

/// Transposes text projections in OpenCLIP's layout after they are loaded.
///
/// OpenCLIP stores the transpose of the matrix that Hugging Face's files and the library use. While
/// an instance exists, the library loads these matrices under their names with the suffix.
class TextProjections {
 public:
  TextProjections(ModelLoader& loader, Tensors& tensors);
  ~TextProjections();
  TextProjections(const TextProjections&) = delete;
  TextProjections& operator=(const TextProjections&) = delete;

  /// Transposes the loaded matrices.
  void transpose() const;

 private:
  Tensors& tensors_;
  std::vector<std::string> names_;
};

}  // namespace gpustack_draw
