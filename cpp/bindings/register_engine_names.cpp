#include <pybind11/stl.h>

#include <string>
#include <tuple>
#include <vector>

#include "bindings/engine_call.h"
#include "bindings/module.h"
#include "engine/engine_names.h"

namespace py = pybind11;

namespace gpustack_draw {
namespace {

using Tensor = std::tuple<std::string, std::vector<std::int64_t>, std::string>;

// Names in untrusted files may be invalid UTF-8.
std::vector<py::bytes> as_bytes(const std::vector<std::string>& names) {
  return {names.begin(), names.end()};
}

std::tuple<std::vector<py::bytes>, std::vector<py::bytes>> names_of(
    const std::vector<Tensor>& model, const std::vector<std::string>& lora) {
  const EngineNames names = without_gil([&] {
    std::vector<HeaderTensor> tensors;
    for (const auto& [name, shape, component] : model) {
      tensors.push_back({name, shape, component});
    }
    return engine_names(tensors, lora);
  });
  return {as_bytes(names.model), as_bytes(names.lora)};
}

constexpr auto doc = R"doc(Return the engine's names of the tensors of a model and of a LoRA.

Args:
    model: Name in the file, shape (fastest dimension first) and component of each tensor.
    lora: Names in the file of the LoRA.

Returns:
    Two lists in the order of the arguments. The names of the LoRA begin with ``lora.``, followed by
    the engine's name of a tensor of the model.

Raises:
    ValueError: A count, a length or a shape exceeds those of real models, or no component has that
        name.
)doc";

}  // namespace

void register_engine_names(py::module_& module) {
  module.def("engine_names", &names_of, py::arg("model"), py::arg("lora"), doc);
}

}  // namespace gpustack_draw
