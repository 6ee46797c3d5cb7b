// Evaluates a UNet for both conditions of a step at once, which reads the weights once.
//
// The macro at the end replaces the library's class by the derived one; see replaced_classes.h.
// The library evaluates the prompt and the negative prompt one after the other. The first step
// shows which conditions follow each other; from the second step on, the first call evaluates both,
// and the second one returns the result that was kept.

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "before_library.h"
#include "diffusion_model.hpp"
#include "fast_cpu.h"

namespace gpustack_draw {

/// Inputs of a UNet that differ between the conditions of a step.
struct UNetCondition {
  sd::Tensor<float> context;
  sd::Tensor<float> y;

  /// True if both can be evaluated at once.
  bool fits(const UNetCondition& other) const {
    return context.shape() == other.context.shape() && y.shape() == other.y.shape();
  }

  friend bool operator==(const UNetCondition& a, const UNetCondition& b) {
    return a.fits(b) && a.context.values() == b.context.values() && a.y.values() == b.y.values();
  }
};

/// Inputs of a UNet that the conditions of a step share.
struct UNetInput {
  std::vector<float> x;
  std::vector<float> timesteps;

  friend bool operator==(const UNetInput& a, const UNetInput& b) {
    return a.x == b.x && a.timesteps == b.timesteps;
  }
};

/// A UNet of the library that evaluates pairs of conditions.
class PairedUNet : public UNetModel {
 public:
  template <typename... Arguments>
  explicit PairedUNet(ggml_backend_t backend, Arguments&&... arguments)
      : UNetModel(backend, std::forward<Arguments>(arguments)...),
        is_fast_cpu_(is_fast_cpu(backend)) {}

  sd::Tensor<float> compute(int threads, const DiffusionParams& params) override {
    if (!may_pair(params)) {
      forget();
      return UNetModel::compute(threads, params);
    }
    const UNetCondition condition = condition_of(params);
    const UNetInput input{params.x->values(), params.timesteps->values()};
    if (second_result_ && pair_->second == condition && last_input_ == input) {
      sd::Tensor<float> result = std::move(*second_result_);
      second_result_.reset();
      return result;
    }
    if (second_result_) {
      pair_.reset();  // the second condition did not follow
      second_result_.reset();
    }
    if (pair_ && pair_->first == condition) {
      return compute_pair(threads, params, input);
    }
    if (last_ && last_input_ == input && last_->fits(condition)) {
      pair_ = {*last_, condition};
      LOG_DEBUG("the conditions of the next steps are evaluated in pairs");
    }
    last_ = condition;
    last_input_ = input;
    return UNetModel::compute(threads, params);
  }

  /// Called at the end of a drawing.
  void free_compute_buffer() override {
    forget();
    UNetModel::free_compute_buffer();
  }

 private:
  /// Larger latents use the weights often enough, and their second result would take much memory.
  static constexpr std::int64_t max_pixels = 48 * 48;

  static UNetCondition condition_of(const DiffusionParams& params) {
    return {tensor_or_empty(params.context), tensor_or_empty(params.y)};
  }

  bool may_pair(const DiffusionParams& params) const {
    const std::vector<std::int64_t>& shape = params.x->shape();
    return is_fast_cpu_ && shape.size() == 4 && shape[3] == 1 &&
           shape[0] * shape[1] <= max_pixels && params.timesteps->numel() == 1 &&
           tensor_or_empty(params.c_concat).empty() &&
           (params.controls == nullptr || params.controls->empty());
  }

  static sd::Tensor<float> joined(sd::Tensor<float> a, sd::Tensor<float> b,
                                  std::int64_t dimension) {
    if (a.empty()) {
      return {};
    }
    for (sd::Tensor<float>* tensor : {&a, &b}) {
      while (tensor->dim() <= dimension) {
        tensor->unsqueeze_(static_cast<std::size_t>(tensor->dim()));
      }
    }
    return sd::ops::concat(a, b, static_cast<std::size_t>(dimension));
  }

  sd::Tensor<float> compute_pair(int threads, const DiffusionParams& params,
                                 const UNetInput& input) {
    const sd::Tensor<float> x = joined(*params.x, *params.x, 3);
    const sd::Tensor<float> timesteps = joined(*params.timesteps, *params.timesteps, 0);
    const sd::Tensor<float> context = joined(pair_->first.context, pair_->second.context, 2);
    const sd::Tensor<float> y = joined(pair_->first.y, pair_->second.y, 1);
    DiffusionParams both = params;
    both.x = &x;
    both.timesteps = &timesteps;
    both.context = &context;
    both.y = &y;
    const sd::Tensor<float> results = UNetModel::compute(threads, both);
    if (results.empty()) {
      return {};
    }
    std::vector<sd::Tensor<float>> parts = sd::ops::chunk(results, 2, 3);
    last_input_ = input;
    second_result_ = std::move(parts[1]);
    return std::move(parts[0]);
  }

  void forget() {
    last_.reset();
    pair_.reset();
    second_result_.reset();
  }

  bool is_fast_cpu_;
  UNetInput last_input_;
  std::optional<UNetCondition> last_;  ///< Of the last call that evaluated one condition.
  std::optional<std::pair<UNetCondition, UNetCondition>> pair_;
  std::optional<sd::Tensor<float>> second_result_;
};

}  // namespace gpustack_draw

#define UNetModel gpustack_draw::PairedUNet
