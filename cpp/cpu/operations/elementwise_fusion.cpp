#include "cpu/operations/elementwise_fusion.h"

#include <algorithm>

namespace gpustack_draw::cpu {

ElementwiseFusion::Use ElementwiseFusion::memory_use_of(const ggml_tensor& tensor) {
  const auto* begin = static_cast<const char*>(tensor.data);
  return {&tensor, begin, begin + ggml_nbytes(&tensor)};
}

// True if two tensors are disjoint in memory, or element i of one is at the address of element i of
// the other.
bool ElementwiseFusion::same_or_disjoint(const Use& a, const Use& b) {
  const bool overlap = a.begin < b.end && b.begin < a.end;
  return !overlap || (a.begin == b.begin && is_plain(*a.tensor) && is_plain(*b.tensor) &&
                      ggml_are_same_shape(a.tensor, b.tensor));
}

bool ElementwiseFusion::can_add(const Use& output, const std::vector<Use>& sources) const {
  const auto matches_output = [&](const Use& use) { return same_or_disjoint(use, output); };
  const auto matches_outputs = [&](const Use& source) {
    return std::all_of(outputs_.begin(), outputs_.end(),
                       [&](const Use& use) { return same_or_disjoint(use, source); });
  };
  return is_plain(*output.tensor) && ggml_are_same_shape(output.tensor, ops_.front().node) &&
         std::all_of(outputs_.begin(), outputs_.end(), matches_output) &&
         std::all_of(sources_.begin(), sources_.end(), matches_output) &&
         std::all_of(sources.begin(), sources.end(), matches_outputs);
}

bool ElementwiseFusion::add(const ggml_tensor& node, const Operation& operation) {
  const std::int64_t granularity =
      operation.range.granularity == nullptr ? 0 : operation.range.granularity(node);
  if (granularity == 0 || (granularity % granularity_ != 0 && granularity_ % granularity != 0)) {
    return false;
  }
  std::vector<Use> sources;
  for (const ggml_tensor* source : node.src) {
    if (source != nullptr) {
      sources.push_back(memory_use_of(*source));
    }
  }
  const Use output = memory_use_of(node);
  if (!ops_.empty() && !can_add(output, sources)) {
    return false;
  }
  ops_.push_back({&node, &operation.range});
  outputs_.push_back(output);
  sources_.insert(sources_.end(), sources.begin(), sources.end());
  granularity_ = std::max(granularity_, granularity);
  return true;
}

void ElementwiseFusion::run(const Kernels& kernels, ThreadPool& pool) const {
  constexpr std::int64_t max_elements = 32'768;  // stays in the cache
  constexpr std::int64_t min_elements = 4096;    // worth a task
  constexpr std::int64_t tasks_per_thread = 4;
  const std::int64_t count = ggml_nelements(ops_.front().node);
  const std::int64_t elements =
      std::clamp(count / (tasks_per_thread * pool.threads()), min_elements, max_elements);
  const std::int64_t step = ceil_div(elements, granularity_) * granularity_;
  pool.parallel_for(ceil_div(count, step), [&](std::int64_t task, Workspace& /*workspace*/) {
    for (const FusedOp& op : ops_) {
      op.range->run(*op.node, kernels, task * step, std::min(count, (task + 1) * step));
    }
  });
}

}  // namespace gpustack_draw::cpu
