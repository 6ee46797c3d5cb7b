#pragma once

#include <functional>
#include <memory>

#include "cpu/kernels/kernels.h"
#include "cpu/team.h"
#include "ggml-backend.h"

namespace gpustack_draw::cpu {

struct Operation;

/// Computes graphs: nodes with our kernels, runs of other nodes with ggml's CPU code.
class GraphComputer {
 public:
  /// `is_cancelled` must outlive this.
  GraphComputer(const Kernels& kernels, int threads, const std::function<bool()>& is_cancelled);

  void use_threads(int threads);

  /// Failure means out of memory; aborted, that it was cancelled.
  ggml_status compute(ggml_cgraph& graph);

 private:
  struct FreeBackend {
    void operator()(ggml_backend_t backend) const noexcept { ggml_backend_free(backend); }
  };

  /// Computes a node, and some that follow it if they go together; gives the one after them.
  int compute_with_ours(const ggml_cgraph& graph, int i, const Operation& operation);
  ggml_status compute_with_ggml(ggml_cgraph& graph, int begin, int end);

  const Kernels& kernels_;
  const std::function<bool()>& is_cancelled_;
  std::unique_ptr<Team> team_;
  std::unique_ptr<ggml_backend, FreeBackend> ggml_;
};

}  // namespace gpustack_draw::cpu
