#pragma once

#include <functional>
#include <memory>

#include "cpu/kernels/kernels.h"
#include "cpu/thread_pool.h"
#include "ggml-backend.h"

namespace gpustack_draw::cpu {

struct Operation;

/// Computes graphs: supported nodes with this backend's kernels, runs of other nodes with ggml's
/// CPU code.
class GraphExecutor {
 public:
  /// Both functions must outlive the executor.
  GraphExecutor(const Kernels& kernels, int threads, const std::function<bool()>& is_cancelled,
                const std::function<void(double)>& on_progress);

  void use_threads(int threads);

  /// Return GGML_STATUS_ABORTED after a cancellation; other failures mean out of memory.
  ggml_status compute(ggml_cgraph& graph);

 private:
  struct FreeBackend {
    void operator()(ggml_backend_t backend) const noexcept { ggml_backend_free(backend); }
  };

  /// Compute a node and those fused with it. Return the index of the next node.
  int compute_with_kernels(const ggml_cgraph& graph, int i, const Operation& operation);
  ggml_status compute_with_ggml(ggml_cgraph& graph, int begin, int end);

  Kernels kernels_;
  const std::function<bool()>& is_cancelled_;
  const std::function<void(double)>& on_progress_;
  std::unique_ptr<ThreadPool> pool_;
  std::unique_ptr<ggml_backend, FreeBackend> ggml_;
};

}  // namespace gpustack_draw::cpu
