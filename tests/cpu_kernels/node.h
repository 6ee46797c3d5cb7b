#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ggml.h"

namespace gpustack_draw::cpu::tests {

/// A tensor over existing memory. Sizes and strides are in ggml's order, fastest dimension first.
struct Source {
  void* data;
  ggml_type type;
  std::vector<std::int64_t> sizes;   ///< Numbers.
  std::vector<std::size_t> strides;  ///< Bytes.
};

/// A ggml graph, usually of one node.
class Graph {
 public:
  /// Build a graph; `numbers` are in the order of the parameters of ggml's function.
  ///
  /// @throws std::invalid_argument for an unknown operation.
  Graph(const std::string& operation, const std::vector<Source>& sources,
        const std::vector<float>& numbers);

  ggml_cgraph& graph() const { return *graph_; }

  /// The last node. The caller must set its memory, unless it is a view.
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
