#include "engine/load_lora.h"

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/checked_weights.h"
#include "engine/errors.h"
#include "engine/graph_stop.h"
#include "engine/load_weights.h"
#include "engine/lora_corrections.h"
#include "engine/loras.h"
#include "ggml-backend.h"

namespace gpustack_draw {
namespace {

struct FreeGgml {
  void operator()(ggml_context* context) const noexcept { ggml_free(context); }
};

float number_of(const ggml_tensor& scalar) {
  float value = 0.0F;
  ggml_backend_tensor_get(&scalar, &value, 0, sizeof value);
  return value;
}

// (rows, rank) times (rank, columns), times a scale.
std::vector<float> product_of(const ggml_tensor& left, const ggml_tensor& right, float scale) {
  const auto rank = static_cast<std::size_t>(left.ne[0]);
  const auto rows = static_cast<std::size_t>(left.ne[1]);
  const auto columns = static_cast<std::size_t>(right.ne[0]);
  const auto* a = static_cast<const float*>(left.data);
  const auto* b = static_cast<const float*>(right.data);
  std::vector<float> product(rows * columns);
  for (std::size_t row = 0; row < rows; ++row) {
    float* sums = &product[row * columns];
    for (std::size_t i = 0; i < rank; ++i) {
      const float factor = scale * a[row * rank + i];
      for (std::size_t column = 0; column < columns; ++column) {
        sums[column] += factor * b[i * columns + column];
      }
    }
  }
  return product;
}

// Reads a LoRA once, and corrects it.
class Reading {
 public:
  Reading(const String2TensorStorage& tensors, SDVersion version,
          const on_new_tensor_cb_t& on_new_tensor)
      : tensors_(tensors),
        on_new_tensor_(on_new_tensor),
        corrections_(lora_corrections(tensors, version)) {
    for (const AddedTensor& added : corrections_.added) {
      ggml_tensor* tensor = nullptr;
      on_new_tensor_(added.storage, &tensor);
      targets_.push_back(tensor);
    }
    allocate_factors();
  }

  /// Chooses where a tensor is read to. Callable from any thread.
  bool choose(const TensorStorage& storage, ggml_tensor** tensor) {
    bool can_continue = true;
    const auto factor = factors_.find(storage.name);
    if (factor != factors_.end()) {
      *tensor = factor->second;
    } else {
      can_continue = on_new_tensor_(with_precise_alpha(storage), tensor);
    }
    if (*tensor != nullptr) {
      const std::scoped_lock lock(mutex_);
      loaded_[storage.name] = *tensor;
    }
    return can_continue;
  }

  NamedTensors loaded() const { return {loaded_.begin(), loaded_.end()}; }

  /// Call when all tensors have been read.
  void correct() const {
    for (std::size_t i = 0; i < targets_.size(); ++i) {
      if (targets_[i] != nullptr) {
        fill(*targets_[i], corrections_.added[i]);
      }
    }
    for (const auto& [name, factor] : corrections_.alphas) {
      const auto alpha = loaded_.find(name);
      if (alpha != loaded_.end() && alpha->second->type == GGML_TYPE_F32) {
        const float corrected = number_of(*alpha->second) * factor;
        ggml_backend_tensor_set(alpha->second, &corrected, 0, sizeof corrected);
      }
    }
  }

 private:
  // A corrected alpha may be too large for 16 bits.
  static TensorStorage with_precise_alpha(const TensorStorage& storage) {
    constexpr std::string_view ending = ".alpha";
    TensorStorage precise = storage;
    const std::string& name = storage.name;
    const bool is_short = storage.type == GGML_TYPE_F16 || storage.type == GGML_TYPE_BF16;
    if (is_short && name.size() > ending.size() &&
        name.compare(name.size() - ending.size(), ending.size(), ending) == 0) {
      precise.type = GGML_TYPE_F32;
    }
    return precise;
  }

  // The library does not get the factors of products; they are read only for products that it
  // loads now.
  void allocate_factors() {
    std::vector<std::string> names;
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < targets_.size(); ++i) {
      const AddedTensor& added = corrections_.added[i];
      for (const std::string& name : {added.left, added.right}) {
        if (name.empty()) {
          continue;
        }
        factors_[name] = nullptr;
        if (targets_[i] != nullptr) {
          names.push_back(name);
          bytes += static_cast<std::size_t>(tensors_.at(name).nelements()) * sizeof(float) +
                   ggml_tensor_overhead() + GGML_MEM_ALIGN;
        }
      }
    }
    if (names.empty()) {
      return;
    }
    context_.reset(ggml_init({bytes, nullptr, false}));
    for (const std::string& name : names) {
      const TensorStorage& storage = tensors_.at(name);
      factors_[name] = ggml_new_tensor(context_.get(), GGML_TYPE_F32, storage.n_dims, storage.ne);
    }
  }

  void fill(ggml_tensor& target, const AddedTensor& added) const {
    std::vector<float> numbers(static_cast<std::size_t>(ggml_nelements(&target)));
    if (!added.left.empty()) {
      const ggml_tensor& left = *factors_.at(added.left);
      numbers = product_of(left, *factors_.at(added.right), scale_of(added, left.ne[0]));
    }
    ggml_backend_tensor_set(&target, numbers.data(), 0, numbers.size() * sizeof(float));
    LoraCount::report_added(added.storage.name, added.replaced);
  }

  float scale_of(const AddedTensor& added, std::int64_t rank) const {
    const auto alpha = loaded_.find(added.alpha);
    const bool has_alpha = alpha != loaded_.end() && alpha->second->type == GGML_TYPE_F32;
    return has_alpha ? number_of(*alpha->second) / static_cast<float>(rank) : 1.0F;
  }

  const String2TensorStorage& tensors_;
  const on_new_tensor_cb_t& on_new_tensor_;
  LoraCorrections corrections_;
  std::vector<ggml_tensor*> targets_;  // of the added tensors; null if the library does not load it
  std::map<std::string, ggml_tensor*> factors_;
  std::unique_ptr<ggml_context, FreeGgml> context_;
  std::mutex mutex_;
  std::map<std::string, ggml_tensor*> loaded_;
};

}  // namespace

void load_lora(ModelLoader& loader, SDVersion version, const std::string& path,
               const on_new_tensor_cb_t& on_new_tensor, int threads, bool mmap) {
  Reading reading(loader.get_tensor_storage_map(), version, on_new_tensor);
  const auto choose = [&](const TensorStorage& storage, ggml_tensor** tensor) {
    return !GraphStop::is_requested() && reading.choose(storage, tensor);
  };
  if (!load_weights(loader, choose, threads, mmap)) {
    if (GraphStop::is_requested()) {
      throw CancelledError();
    }
    throw EngineError("the engine could not read the LoRA '" + path + "'");
  }
  if (!damaged_tensor(reading.loaded(), threads).empty()) {
    throw DamagedLoraError(path);
  }
  reading.correct();
}

}  // namespace gpustack_draw
