#include "cpu/operations/chain.h"

#include <algorithm>

namespace gpustack_draw::cpu {

Chain::Use Chain::use_of(const ggml_tensor& tensor) {
  const auto* begin = static_cast<const char*>(tensor.data);
  return {&tensor, begin, begin + ggml_nbytes(&tensor)};
}

// Whether each part of one lies where the same part of the other does, if it is not elsewhere.
bool Chain::lie_alike(const Use& a, const Use& b) {
  const bool overlap = a.begin < b.end && b.begin < a.end;
  return !overlap || (a.begin == b.begin && is_plain(*a.tensor) && is_plain(*b.tensor) &&
                      ggml_are_same_shape(a.tensor, b.tensor));
}

bool Chain::can_add(const Use& output, const std::vector<Use>& sources) const {
  const auto lies_like_output = [&](const Use& use) { return lie_alike(use, output); };
  const auto lies_like_outputs = [&](const Use& source) {
    return std::all_of(outputs_.begin(), outputs_.end(),
                       [&](const Use& use) { return lie_alike(use, source); });
  };
  return is_plain(*output.tensor) && ggml_are_same_shape(output.tensor, links_.front().node) &&
         std::all_of(outputs_.begin(), outputs_.end(), lies_like_output) &&
         std::all_of(sources_.begin(), sources_.end(), lies_like_output) &&
         std::all_of(sources.begin(), sources.end(), lies_like_outputs);
}

bool Chain::add(const ggml_tensor& node, const Operation& operation) {
  const std::int64_t unit = operation.parts.unit == nullptr ? 0 : operation.parts.unit(node);
  if (unit == 0 || (unit % unit_ != 0 && unit_ % unit != 0)) {
    return false;
  }
  std::vector<Use> sources;
  for (const ggml_tensor* source : node.src) {
    if (source != nullptr) {
      sources.push_back(use_of(*source));
    }
  }
  const Use output = use_of(node);
  if (!links_.empty() && !can_add(output, sources)) {
    return false;
  }
  links_.push_back({&node, &operation.parts});
  outputs_.push_back(output);
  sources_.insert(sources_.end(), sources.begin(), sources.end());
  unit_ = std::max(unit_, unit);
  return true;
}

void Chain::run(const Kernels& kernels, Team& team) const {
  constexpr std::int64_t most_numbers = 32'768;  // so that a part stays in the cache
  constexpr std::int64_t fewest_numbers = 4096;  // so that it is worth a task
  constexpr std::int64_t tasks_a_thread = 4;
  const std::int64_t count = ggml_nelements(links_.front().node);
  const std::int64_t numbers =
      std::clamp(count / (tasks_a_thread * team.threads()), fewest_numbers, most_numbers);
  const std::int64_t part = divided_up(numbers, unit_) * unit_;
  team.run(divided_up(count, part), [&](std::int64_t task, Workspace& /*workspace*/) {
    for (const Link& link : links_) {
      link.parts->run(*link.node, kernels, task * part, std::min(count, (task + 1) * part));
    }
  });
}

}  // namespace gpustack_draw::cpu
