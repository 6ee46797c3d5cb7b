#pragma once

#include <vector>

#include "cpu/operations/operation.h"

namespace gpustack_draw::cpu {

/// Nodes that are done together: a part of the numbers goes through all of them while it is in the
/// cache, before the next part.
class Chain {
 public:
  /// Adds a node to the end, if it can be done in parts and goes with those that are there.
  bool add(const ggml_tensor& node, const Operation& operation);

  void run(const Kernels& kernels, Team& team) const;

 private:
  struct Link {
    const ggml_tensor* node;
    const Parts* parts;
  };

  /// A tensor that is written or read, and where it lies.
  struct Use {
    const ggml_tensor* tensor;
    const char* begin;
    const char* end;
  };

  static Use use_of(const ggml_tensor& tensor);
  static bool lie_alike(const Use& a, const Use& b);
  bool can_add(const Use& output, const std::vector<Use>& sources) const;

  std::vector<Link> links_;
  std::vector<Use> outputs_;
  std::vector<Use> sources_;
  std::int64_t unit_ = 1;
};

}  // namespace gpustack_draw::cpu
