#pragma once

#include <vector>

#include "cpu/operations/operation.h"

namespace gpustack_draw::cpu {

/// Successive nodes that are computed together: a range of elements goes through all of them while
/// it is in the cache, before the next range.
class ElementwiseFusion {
 public:
  /// Append a node, if it can be computed in ranges and fused with the nodes before it.
  bool add(const ggml_tensor& node, const Operation& operation);

  void run(const Kernels& kernels, ThreadPool& pool) const;

 private:
  struct FusedOp {
    const ggml_tensor* node;
    const RangeFunction* range;
  };

  /// A tensor that is read or written, and its memory.
  struct Use {
    const ggml_tensor* tensor;
    const char* begin;
    const char* end;
  };

  static Use memory_use_of(const ggml_tensor& tensor);
  static bool same_or_disjoint(const Use& a, const Use& b);
  bool can_add(const Use& output, const std::vector<Use>& sources) const;

  std::vector<FusedOp> ops_;
  std::vector<Use> outputs_;
  std::vector<Use> sources_;
  std::int64_t granularity_ = 1;
};

}  // namespace gpustack_draw::cpu
