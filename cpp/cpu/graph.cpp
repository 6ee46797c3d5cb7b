#include "cpu/graph.h"

#include <memory>
#include <new>

#include "cpu/graph_progress.h"
#include "cpu/operations/convolution.h"
#include "cpu/operations/elementwise_fusion.h"
#include "ggml-cpu.h"
#include "ggml-impl.h"

namespace gpustack_draw::cpu {
namespace {

// True for nodes that only rename memory.
bool is_view(const ggml_tensor& node) {
  return node.op == GGML_OP_NONE || node.op == GGML_OP_RESHAPE || node.op == GGML_OP_VIEW ||
         node.op == GGML_OP_PERMUTE || node.op == GGML_OP_TRANSPOSE || ggml_is_empty(&node);
}

// Return the implementation of a node, or null to leave it to ggml.
const Operation* operation_of(const ggml_tensor& node) {
  const Operation* operation = is_view(node) ? nullptr : find_operation(node.op);
  return operation != nullptr && operation->supports(node) ? operation : nullptr;
}

// True if the node's only consumer is the next node and can be fused with it.
bool can_fuse_with_next(const ggml_cgraph& graph, int i, const Kernels& kernels) {
  return i + 1 < graph.n_nodes &&
         can_fuse_upsample(*graph.nodes[i + 1], *graph.nodes[i], kernels) &&
         ggml_node_has_n_uses(&graph, i, 1);
}

}  // namespace

GraphExecutor::GraphExecutor(const Kernels& kernels, int threads,
                             const std::function<bool()>& is_cancelled,
                             const std::function<void(double)>& on_progress)
    : kernels_(kernels),
      is_cancelled_(is_cancelled),
      on_progress_(on_progress),
      ggml_(ggml_backend_cpu_init()) {
  if (!ggml_) {
    throw std::bad_alloc();
  }
  ggml_backend_cpu_set_abort_callback(
      ggml_.get(),
      [](void* data) {
        const auto& cancelled = *static_cast<const std::function<bool()>*>(data);
        return cancelled && cancelled();
      },
      const_cast<std::function<bool()>*>(&is_cancelled_));  // passed back unchanged
  use_threads(threads);
}

void GraphExecutor::use_threads(int threads) {
  if (!pool_ || pool_->threads() != threads) {
    pool_ = std::make_unique<ThreadPool>(threads, is_cancelled_);
    ggml_backend_cpu_set_n_threads(ggml_.get(), threads);
  }
}

ggml_status GraphExecutor::compute(ggml_cgraph& graph) {
  (*pool_).reset();
  GraphProgress progress(graph, on_progress_);
  int ggml_begin = 0;  // first node that ggml has yet to compute
  for (int i = 0; i < graph.n_nodes;) {
    const Operation* operation = operation_of(*graph.nodes[i]);
    if (operation == nullptr) {
      ++i;
      continue;
    }
    const ggml_status status = compute_with_ggml(graph, ggml_begin, i);
    if (status != GGML_STATUS_SUCCESS) {
      return status;
    }
    i = ggml_begin = compute_with_kernels(graph, i, *operation);
    if (pool_->was_cancelled()) {
      return GGML_STATUS_ABORTED;
    }
    progress.report(i);
  }
  return compute_with_ggml(graph, ggml_begin, graph.n_nodes);
}

int GraphExecutor::compute_with_kernels(const ggml_cgraph& graph, int i,
                                        const Operation& operation) {
  const ggml_tensor& node = *graph.nodes[i];
  if (can_fuse_with_next(graph, i, kernels_)) {
    ggml_tensor fused = *graph.nodes[i + 1];
    fused.src[1] = node.src[0];
    ops::convolution.run(fused, kernels_, *pool_);
    return i + 2;
  }
  ElementwiseFusion chain;
  if (!chain.add(node, operation)) {
    operation.run(node, kernels_, *pool_);
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
  chain.run(kernels_, *pool_);
  return end;
}

ggml_status GraphExecutor::compute_with_ggml(ggml_cgraph& graph, int begin, int end) {
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
