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

  std::vector<Link> links_;
  std::int64_t unit_ = 1;
};

}  // namespace gpustack_draw::cpu
