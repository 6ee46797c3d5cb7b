#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace gpustack_draw {

/// A tensor in the header of a model's file.
struct HeaderTensor {
  std::string name;
  std::vector<std::int64_t> shape;  ///< Fastest dimension first.
  std::string component;            ///< Name of its file in named_parameters.cpp.
};

/// The library's names, in the order of the tensors passed.
struct EngineNames {
  std::vector<std::string> model;
  std::vector<std::string> lora;
};

/// Returns the names under which the library has the tensors of a model and of a LoRA, without
/// loading them. Names of factors begin with "lora.", followed by the name of the model's tensor.
///
/// The tensors may come from untrusted headers.
///
/// @throws std::invalid_argument A count, a length or a shape exceeds those of real models, or no
///     component has that name.
/// @throws EngineError Called inside a callback.
EngineNames engine_names(const std::vector<HeaderTensor>& model,
                         const std::vector<std::string>& lora);

}  // namespace gpustack_draw
