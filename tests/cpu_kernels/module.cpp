// The Python extension cpu_kernels: computes a ggml node over NumPy arrays, with a target of the
// FastCPU backend or with ggml's CPU code.

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "compute.h"
#include "cpu/kernels/kernels.h"
#include "cpu/kernels/targets.h"
#include "node.h"

namespace py = pybind11;

namespace gpustack_draw::cpu {

// The emulated targets that CMakeLists.txt compiles.
namespace avx_vnni_emulated {
extern const Int8Kernels int8_kernels;
}
namespace avx512_vnni_emulated {
extern const Int8Kernels int8_kernels;
}
namespace avx512_emulated {
extern const Kernels kernels;
}
namespace avx512_bf16_emulated {
extern const Kernels kernels;
}
namespace amx_bf16_emulated {
extern const Kernels kernels;
}

namespace tests {
namespace {

/// An array and its ggml type.
using TypedArray = std::pair<py::array, std::string>;

std::vector<const Kernels*> all_kernels() {
  std::vector<const Kernels*> found;
  for (const char* name : {"avx2", "avx512", "avx512_bf16", "amx_bf16"}) {
    if (const Kernels* kernels = kernels_named(name)) {
      found.push_back(kernels);
    }
  }
#ifdef EMULATES_AVX512
  found.push_back(&avx512_emulated::kernels);
#endif
#ifdef EMULATES_AVX512_BF16
  found.push_back(&avx512_bf16_emulated::kernels);
#endif
#ifdef EMULATES_AMX_BF16
  found.push_back(&amx_bf16_emulated::kernels);
#endif
  return found;
}

std::vector<std::string> targets() {
  std::vector<std::string> names;
  for (const Kernels* kernels : all_kernels()) {
    names.emplace_back(kernels->name);
  }
  return names;
}

std::vector<const Int8Kernels*> all_int8_kernels() {
  std::vector<const Int8Kernels*> found = {&avx2::int8_kernels};
  for (const Kernels* kernels : all_kernels()) {
    const Int8Kernels* int8 = int8_kernels_for(*kernels, /*always=*/true);
    if (std::find(found.begin(), found.end(), int8) == found.end()) {
      found.push_back(int8);
    }
  }
#ifdef EMULATES_AVX_VNNI
  found.push_back(&avx_vnni_emulated::int8_kernels);
#endif
#ifdef EMULATES_AVX512_VNNI
  found.push_back(&avx512_vnni_emulated::int8_kernels);
#endif
  return found;
}

std::vector<std::string> int8_targets() {
  std::vector<std::string> names;
  for (const Int8Kernels* kernels : all_int8_kernels()) {
    names.emplace_back(std::string("int8 ") + kernels->name);
  }
  return names;
}

std::vector<std::string> strassen_targets() {
  std::vector<std::string> names;
  for (const Kernels* kernels : all_kernels()) {
    if (kernels->strassen != nullptr) {
      names.emplace_back(std::string("strassen_") + kernels->name);
    }
  }
  return names;
}

/// The kernels of a target, those with Strassen's algorithm for all sizes, or those of AVX2 with
/// int8 products of a target.
Kernels kernels_of(const std::string& target) {
  for (const Kernels* kernels : all_kernels()) {
    if (kernels->name == target) {
      return *kernels;
    }
    if (kernels->strassen != nullptr && std::string("strassen_") + kernels->name == target) {
      return with_strassen_always(*kernels);
    }
  }
  for (const Int8Kernels* int8 : all_int8_kernels()) {
    if (std::string("int8 ") + int8->name == target) {
      Kernels kernels = avx2::kernels;
      kernels.int8 = int8;
      return kernels;
    }
  }
  throw std::invalid_argument("no target '" + target + "' can run here");
}

Source source_of(const TypedArray& typed) {
  const auto& [array, name] = typed;
  Source source{const_cast<void*>(array.data()), type_named(name), {}, {}};
  for (py::ssize_t i = array.ndim(); i-- > 0;) {
    source.sizes.push_back(array.shape(i));
    source.strides.push_back(static_cast<std::size_t>(array.strides(i)));
  }
  // Quantized rows are rows of bytes.
  if (static_cast<std::size_t>(array.itemsize()) != ggml_type_size(source.type)) {
    source.strides[0] = ggml_type_size(source.type);
    source.sizes[0] = source.sizes[0] / static_cast<std::int64_t>(source.strides[0]) *
                      ggml_blck_size(source.type);
  }
  return source;
}

Graph graph_of(const std::string& operation, const std::vector<TypedArray>& arrays,
               const std::vector<float>& numbers) {
  std::vector<Source> sources;
  std::transform(arrays.begin(), arrays.end(), std::back_inserter(sources), &source_of);
  return Graph(operation, sources, numbers);
}

bool supports(const std::string& operation, const std::vector<TypedArray>& arrays,
              const std::vector<float>& numbers) {
  return is_supported(graph_of(operation, arrays, numbers));
}

/// Return an array of NaN with the shape of the result, and use its memory for the result.
py::array output_of(ggml_tensor& result) {
  std::vector<py::ssize_t> shape(result.ne, result.ne + GGML_MAX_DIMS);
  std::reverse(shape.begin(), shape.end());
  py::array output(py::dtype(result.type == GGML_TYPE_F16 ? "float16" : "float32"), shape);
  std::memset(output.mutable_data(), 0xff, static_cast<std::size_t>(output.nbytes()));  // NaN
  result.data = output.mutable_data();
  return output;
}

/// Compute with `where`, "ggml" or a target. `over` is the source whose memory the result takes, as
/// ggml's allocator may do, or -1.
py::array compute_node(const std::string& where, const std::string& operation,
                       const std::vector<TypedArray>& arrays, const std::vector<float>& numbers,
                       int threads, int over, bool cancelled) {
  const Graph graph = graph_of(operation, arrays, numbers);
  py::array output;
  if (over >= 0) {
    output = arrays.at(static_cast<std::size_t>(over)).first;
    graph.result().data = output.mutable_data();
  } else if (graph.result().view_src != nullptr) {
    output = arrays.back().first;
  } else {
    output = output_of(graph.result());
  }
  std::optional<Kernels> kernels;
  if (where != "ggml") {
    kernels = kernels_of(where);
  }
  compute(graph, kernels ? &*kernels : nullptr, threads, cancelled);
  return output;
}

/// Quantize rows of f32 to rows of bytes.
py::array quantize(const py::array_t<float, py::array::c_style>& numbers, const std::string& name) {
  const ggml_type type = type_named(name);
  std::vector<py::ssize_t> shape(numbers.shape(), numbers.shape() + numbers.ndim());
  const py::ssize_t length = shape.back();
  const py::ssize_t rows = numbers.size() / length;
  shape.back() = static_cast<py::ssize_t>(ggml_row_size(type, length));
  py::array_t<std::uint8_t> bytes(shape);
  ggml_quantize_chunk(type, numbers.data(), bytes.mutable_data(), 0, rows, length, nullptr);
  return bytes;
}

/// Dequantize rows of bytes to f32.
py::array dequantize(const py::array_t<std::uint8_t, py::array::c_style>& bytes,
                     const std::string& name) {
  const ggml_type type = type_named(name);
  std::vector<py::ssize_t> shape(bytes.shape(), bytes.shape() + bytes.ndim());
  shape.back() = shape.back() / static_cast<py::ssize_t>(ggml_type_size(type)) *
                 static_cast<py::ssize_t>(ggml_blck_size(type));
  py::array_t<float> numbers(shape);
  ggml_get_type_traits(type)->to_float(bytes.data(), numbers.mutable_data(), numbers.size());
  return numbers;
}

}  // namespace
}  // namespace tests
}  // namespace gpustack_draw::cpu

PYBIND11_MODULE(cpu_kernels, module) {
  using namespace gpustack_draw::cpu::tests;
  module.def("targets", &targets);
  module.def("int8_targets", &int8_targets);
  module.def("strassen_targets", &strassen_targets);
  module.def("supports", &supports);
  module.def("compute", &compute_node);
  module.def("quantize", &quantize);
  module.def("dequantize", &dequantize);
}
