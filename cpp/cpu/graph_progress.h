#pragma once

#include <cstdint>
#include <functional>

#include "ggml-impl.h"
#include "ggml.h"

namespace gpustack_draw::cpu {

/// Reports how much of a graph was computed, from 0 to 1.
class GraphProgress {
 public:
  GraphProgress(const ggml_cgraph& graph, const std::function<void(double)>& on_progress)
      : graph_(graph), on_progress_(on_progress) {
    if (on_progress_) {
      for (int i = 0; i < graph_.n_nodes; ++i) {
        total_ += cost(*graph_.nodes[i]);
      }
    }
  }

  /// Call when all nodes before `end` were computed.
  void report(int end) {
    if (on_progress_) {
      for (; next_ < end; ++next_) {
        done_ += cost(*graph_.nodes[next_]);
      }
      on_progress_(total_ > 0 ? done_ / total_ : 1);
    }
  }

 private:
  // Multiplications, or numbers where there are none.
  static double cost(const ggml_tensor& node) {
    const auto numbers = static_cast<double>(ggml_nelements(&node));
    if (node.op == GGML_OP_CONV_2D) {
      const ggml_tensor& weights = *node.src[0];
      return numbers * static_cast<double>(weights.ne[0] * weights.ne[1] * weights.ne[2]);
    }
    return node.op == GGML_OP_MUL_MAT ? numbers * static_cast<double>(node.src[0]->ne[0]) : numbers;
  }

  const ggml_cgraph& graph_;
  const std::function<void(double)>& on_progress_;
  double total_ = 0;
  double done_ = 0;
  int next_ = 0;
};

}  // namespace gpustack_draw::cpu
