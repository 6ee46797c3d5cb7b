#include "cpu/graph.h"

#include <memory>
#include <new>

#include "cpu/operations/chain.h"
#include "cpu/operations/convolution.h"
#include "ggml-cpu.h"
#include "ggml-impl.h"

namespace gpustack_draw::cpu {
namespace {

// Other names for memory that is there: nothing to compute.
bool is_view(const ggml_tensor& node) {
  return node.op == GGML_OP_NONE || node.op == GGML_OP_RESHAPE || node.op == GGML_OP_VIEW ||
         node.op == GGML_OP_PERMUTE || node.op == GGML_OP_TRANSPOSE || ggml_is_empty(&node);
}

// What we do for a node, or null.
const Operation* operation_of(const ggml_tensor& node) {
  const Operation* operation = is_view(node) ? nullptr : operation_for(node.op);
  return operation != nullptr && operation->takes(node) ? operation : nullptr;
}

// Whether a node is what the next one alone reads, and makes on its way.
bool goes_with_next(const ggml_cgraph& graph, int i, const Kernels& kernels) {
  return i + 1 < graph.n_nodes && can_enlarge(*graph.nodes[i + 1], *graph.nodes[i], kernels) &&
         ggml_node_has_n_uses(&graph, i, 1);
}

}  // namespace

GraphComputer::GraphComputer(const Kernels& kernels, int threads,
                             const std::function<bool()>& is_cancelled)
    : kernels_(kernels), is_cancelled_(is_cancelled), ggml_(ggml_backend_cpu_init()) {
  if (!ggml_) {
    throw std::bad_alloc();
  }
  ggml_backend_cpu_set_abort_callback(
      ggml_.get(),
      [](void* asked) {
        const auto& ask = *static_cast<const std::function<bool()>*>(asked);
        return ask && ask();
      },
      const_cast<std::function<bool()>*>(&is_cancelled_));  // ggml hands it back as it is
  use_threads(threads);
}

void GraphComputer::use_threads(int threads) {
  if (!team_ || team_->threads() != threads) {
    team_ = std::make_unique<Team>(threads, is_cancelled_);
    ggml_backend_cpu_set_n_threads(ggml_.get(), threads);
  }
}

ggml_status GraphComputer::compute(ggml_cgraph& graph) {
  team_->start();
  int not_ours = 0;  // where a run of nodes begins that is ggml's
  for (int i = 0; i < graph.n_nodes;) {
    const Operation* operation = operation_of(*graph.nodes[i]);
    if (operation == nullptr) {
      ++i;
      continue;
    }
    const ggml_status status = compute_with_ggml(graph, not_ours, i);
    if (status != GGML_STATUS_SUCCESS) {
      return status;
    }
    i = not_ours = compute_with_ours(graph, i, *operation);
    if (team_->is_stopped()) {
      return GGML_STATUS_ABORTED;
    }
  }
  return compute_with_ggml(graph, not_ours, graph.n_nodes);
}

int GraphComputer::compute_with_ours(const ggml_cgraph& graph, int i, const Operation& operation) {
  const ggml_tensor& node = *graph.nodes[i];
  if (goes_with_next(graph, i, kernels_)) {
    ggml_tensor merged = *graph.nodes[i + 1];
    merged.src[1] = node.src[0];
    convolution.run(merged, kernels_, *team_);
    return i + 2;
  }
  Chain chain;
  if (!chain.add(node, operation)) {
    operation.run(node, kernels_, *team_);
    return i + 1;
  }
  int end = i + 1;
  for (int next = end; next < graph.n_nodes; ++next) {
    if (is_view(*graph.nodes[next])) {
      continue;
    }
    const Operation* another = operation_of(*graph.nodes[next]);
    if (another == nullptr || !chain.add(*graph.nodes[next], *another)) {
      break;
    }
    end = next + 1;
  }
  chain.run(kernels_, *team_);
  return end;
}

ggml_status GraphComputer::compute_with_ggml(ggml_cgraph& graph, int begin, int end) {
  while (begin < end && is_view(*graph.nodes[begin])) {
    ++begin;
  }
  if (begin == end) {
    return GGML_STATUS_SUCCESS;
  }
  ggml_cgraph part = ggml_graph_view(&graph, begin, end);
  return ggml_backend_graph_compute(ggml_.get(), &part);
}

}  // namespace gpustack_draw::cpu
