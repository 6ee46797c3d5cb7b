#include "engine/text_projection.h"

#include <cstddef>
#include <utility>

#include "ggml-backend.h"

namespace gpustack_draw {
namespace {

void transpose_square(ggml_tensor& matrix) {
  if (matrix.type != GGML_TYPE_F32 || matrix.ne[0] != matrix.ne[1]) {
    return;
  }
  const auto side = static_cast<std::size_t>(matrix.ne[0]);
  std::vector<float> values(side * side);
  ggml_backend_tensor_get(&matrix, values.data(), 0, values.size() * sizeof(float));
  for (std::size_t row = 0; row < side; ++row) {
    for (std::size_t column = 0; column < row; ++column) {
      std::swap(values[row * side + column], values[column * side + row]);
    }
  }
  ggml_backend_tensor_set(&matrix, values.data(), 0, values.size() * sizeof(float));
}

}  // namespace

bool is_transposed(const std::string& name) {
  const std::string suffix = transposed_suffix;
  return name.size() > suffix.size() &&
         name.compare(name.size() - suffix.size(), suffix.size(), suffix) == 0;
}

TextProjections::TextProjections(ModelLoader& loader, Tensors& tensors) : tensors_(tensors) {
  const auto& stored = loader.get_tensor_storage_map();
  for (const auto& [name, tensor] : tensors) {
    if (stored.contains(name + transposed_suffix)) {
      names_.push_back(name);
    }
  }
  for (const std::string& name : names_) {
    tensors_[name + transposed_suffix] = tensors_[name];
    tensors_.erase(name);
  }
}

TextProjections::~TextProjections() {
  for (const std::string& name : names_) {
    auto renamed = tensors_.extract(name + transposed_suffix);
    renamed.key() = name;
    tensors_.insert(std::move(renamed));
  }
}

void TextProjections::transpose() const {
  for (const std::string& name : names_) {
    transpose_square(*tensors_.at(name + transposed_suffix));
  }
}

}  // namespace gpustack_draw
