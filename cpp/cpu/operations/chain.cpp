#include "cpu/operations/chain.h"

#include <algorithm>

namespace gpustack_draw::cpu {
namespace {

// Whether each part of one lies where the same part of the other does, if it is not elsewhere.
bool lie_alike(const ggml_tensor& a, const ggml_tensor& b) {
  return !overlap(a, b) ||
         (a.data == b.data && is_plain(a) && is_plain(b) && ggml_are_same_shape(&a, &b));
}

bool sources_lie_like(const ggml_tensor& node, const ggml_tensor& output) {
  return std::all_of(node.src, node.src + GGML_MAX_SRC, [&](const ggml_tensor* source) {
    return source == nullptr || lie_alike(*source, output);
  });
}

}  // namespace

bool Chain::add(const ggml_tensor& node, const Operation& operation) {
  const std::int64_t unit = operation.parts.unit == nullptr ? 0 : operation.parts.unit(node);
  if (unit == 0) {
    return false;
  }
  if (!links_.empty()) {
    const bool goes_on = ggml_are_same_shape(&node, links_.front().node) && is_plain(node) &&
                         (unit % unit_ == 0 || unit_ % unit == 0) &&
                         std::all_of(links_.begin(), links_.end(), [&](const Link& link) {
                           return sources_lie_like(node, *link.node) &&
                                  sources_lie_like(*link.node, node) && lie_alike(node, *link.node);
                         });
    if (!goes_on) {
      return false;
    }
  }
  links_.push_back({&node, &operation.parts});
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
