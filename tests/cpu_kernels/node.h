#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ggml.h"

namespace gpustack_draw::cpu::tests {

/// A tensor over memory that is there. Sizes and strides in ggml's order, fastest dimension first.
struct Source {
  void* data;
  ggml_type type;
  std::vector<std::int64_t> sizes;   ///< Numbers.
  std::vector<std::size_t> strides;  ///< Bytes.
};

/// A graph of ggml's, most often of one node, and what it writes to.
class Graph {
 public:
  /// `operation` with its numbers in the order of ggml's function of that name.
  ///
  /// @throws std::invalid_argument for an operation that the tests do not know.
  Graph(const std::string& operation, const std::vector<Source>& sources,
        const std::vector<float>& numbers);

  ggml_cgraph& graph() const { return *graph_; }

  /// The last node. Its memory must be set by the caller, unless it has some.
  ggml_tensor& result() const { return *result_; }

 private:
  struct Free {
    void operator()(ggml_context* context) const noexcept { ggml_free(context); }
  };

  std::unique_ptr<ggml_context, Free> context_;
  ggml_tensor* result_;
  ggml_cgraph* graph_;
};

}  // namespace gpustack_draw::cpu::tests
