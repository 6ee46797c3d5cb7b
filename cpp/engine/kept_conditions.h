// Keeps the results of the text encoders for later drawings with the same prompts.
//
// The macros at the end replace the library's classes of text encoders by derived ones; see
// replaced_classes.h. The library would encode the prompts of each picture again, which takes as
// long as a step with a large text encoder.

#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "after_drawing.h"
#include "before_library.h"
#include "conditioner.hpp"

namespace gpustack_draw {

static_assert(std::is_same_v<decltype(FluxCLIPEmbedder::t5_tokenizer), QuickUnigramTokenizer>,
              "the library has its own tokenizer of T5, which finds no pieces");

/// The inputs of a text encoder.
struct ConditionInputs {
  std::string text;
  int clip_skip;
  int width;   ///< In pixels; 0 for an encoder that does not depend on the size.
  int height;  ///< In pixels; 0 for an encoder that does not depend on the size.
  bool zero_out_masked;
  std::size_t references;  ///< A hash of the pictures that a vision encoder reads.

  friend bool operator==(const ConditionInputs& a, const ConditionInputs& b) {
    return a.text == b.text && a.clip_skip == b.clip_skip && a.width == b.width &&
           a.height == b.height && a.zero_out_masked == b.zero_out_masked &&
           a.references == b.references;
  }
};

inline std::size_t hash_of(const std::vector<sd::Tensor<float>>& pictures) {
  std::size_t hash = pictures.size();
  const auto add = [&](const void* data, std::size_t bytes) {
    const std::string_view view(static_cast<const char*>(data), bytes);
    hash = hash * 1000003 ^ std::hash<std::string_view>()(view);
  };
  for (const sd::Tensor<float>& picture : pictures) {
    add(picture.shape().data(), picture.shape().size() * sizeof(picture.shape()[0]));
    add(picture.values().data(), picture.values().size() * sizeof(float));
  }
  return hash;
}

/// The last results of a text encoder, the most recently used one first.
class KeptConditions {
 public:
  /// Returns the result for equal inputs, null if it is not kept. Valid until the next call.
  const SDCondition* find(const ConditionInputs& inputs) {
    const auto found = std::find_if(all_.begin(), all_.end(),
                                    [&](const auto& kept) { return kept.first == inputs; });
    if (found == all_.end()) {
      return nullptr;
    }
    all_.splice(all_.begin(), all_, found);
    return &found->second;
  }

  void add(const ConditionInputs& inputs, const SDCondition& condition) {
    if (find(inputs) != nullptr) {
      return;
    }
    all_.emplace_front(inputs, condition);
    std::size_t bytes = 0;
    std::size_t count = 0;
    const auto exceeds = [&](const auto& kept) {
      bytes += bytes_of(kept.second);
      return ++count > max_count || bytes > max_bytes;
    };
    all_.erase(std::find_if(all_.begin(), all_.end(), exceeds), all_.end());
  }

 private:
  // Two prompts with their negative prompts. A prompt of FLUX.2 takes 30 MiB, others take less.
  static constexpr std::size_t max_count = 4;
  static constexpr std::size_t max_bytes = std::size_t{64} << 20;

  static std::size_t bytes_of(const SDCondition& condition) {
    std::size_t numbers = condition.c_crossattn.values().size() +
                          condition.c_vector.values().size() + condition.c_concat.values().size() +
                          condition.c_t5_ids.values().size() +
                          condition.c_t5_weights.values().size();
    for (const sd::Tensor<float>& extra : condition.extra_c_crossattns) {
      numbers += extra.values().size();
    }
    return numbers * sizeof(float);
  }

  std::list<std::pair<ConditionInputs, SDCondition>> all_;
};

/// A text encoder of the library that computes the same result once.
template <typename Encoder>
class KeepingEncoder : public Encoder {
 public:
  using Encoder::Encoder;

  SDCondition get_learned_condition(int threads, const ConditionerParams& params) override {
    // The library counts the tensors of LoRAs while it encodes.
    if (has_loras_) {
      return Encoder::get_learned_condition(threads, params);
    }
    const ConditionInputs inputs = inputs_of(params);
    if (const SDCondition* kept = kept_->find(inputs)) {
      LOG_DEBUG("the prompt is encoded already");
      return *kept;
    }
    SDCondition condition = Encoder::get_learned_condition(threads, params);
    // A canceled drawing may have computed meaningless numbers.
    AfterDrawing::on_success([kept = kept_, inputs, condition] { kept->add(inputs, condition); });
    return condition;
  }

  void set_weight_adapter(const std::shared_ptr<WeightAdapter>& loras) override {
    has_loras_ = loras != nullptr;
    Encoder::set_weight_adapter(loras);
  }

 private:
  static ConditionInputs inputs_of(const ConditionerParams& params) {
    // Stable Diffusion XL reads the size.
    constexpr bool is_sized = std::is_same_v<Encoder, FrozenCLIPEmbedderWithCustomWords>;
    return {params.text,
            params.clip_skip,
            is_sized ? params.width : 0,
            is_sized ? params.height : 0,
            params.zero_out_masked,
            params.ref_images == nullptr ? 0 : hash_of(*params.ref_images)};
  }

  std::shared_ptr<KeptConditions> kept_ = std::make_shared<KeptConditions>();
  bool has_loras_ = false;
};

}  // namespace gpustack_draw

#define AnimaConditioner gpustack_draw::KeepingEncoder<AnimaConditioner>
#define FluxCLIPEmbedder gpustack_draw::KeepingEncoder<FluxCLIPEmbedder>
#define FrozenCLIPEmbedderWithCustomWords \
  gpustack_draw::KeepingEncoder<FrozenCLIPEmbedderWithCustomWords>
#define LLMEmbedder gpustack_draw::KeepingEncoder<LLMEmbedder>
#define SD3CLIPEmbedder gpustack_draw::KeepingEncoder<SD3CLIPEmbedder>
#define T5CLIPEmbedder gpustack_draw::KeepingEncoder<T5CLIPEmbedder>
