// Loads the weights of models and LoRAs and checks them for NaN and infinity.
//
// Results do not always reveal them: a ReLU turns NaN into 0, and the picture is merely wrong. The
// build renames the library's ModelLoader::load_tensors() (cmake/EngineLibrary.cmake), so that its
// callers get the functions below.

#include "engine/checked_weights.h"

#include <algorithm>
#include <atomic>
#include <thread>
#include <utility>
#include <vector>

#include "engine/finite.h"
#include "engine/load_lora.h"
#include "engine/load_weights.h"
#include "engine/mapped_weights.h"
#include "engine/number_checks.h"
#include "engine/text_projection.h"
#include "ggml-backend.h"
#include "stable-diffusion.h"
#include "util.h"

// Returns true for tensors that the loader skips. No header declares it.
bool is_unused_tensor(const std::string& name);

namespace gpustack_draw {
namespace {

bool is_finite(ggml_type type, const void* data, std::size_t bytes) {
  switch (type) {
    case GGML_TYPE_F32:
      return are_finite(static_cast<const float*>(data), bytes / sizeof(float));
    case GGML_TYPE_F16:
      return have_finite_exponents<std::uint16_t>(data, bytes / 2, 0x7c00U);
    case GGML_TYPE_BF16:
      return have_finite_exponents<std::uint16_t>(data, bytes / 2, 0x7f80U);
    default:
      return ggml_validate_row_data(type, data, bytes);
  }
}

bool is_finite(const ggml_tensor& tensor, std::vector<std::uint8_t>& copy) {
  const std::size_t bytes = ggml_nbytes(&tensor);
  if (tensor.buffer == nullptr || ggml_backend_buffer_is_host(tensor.buffer)) {
    return is_finite(tensor.type, tensor.data, bytes);
  }
  copy.resize(bytes);
  ggml_backend_tensor_get(&tensor, copy.data(), 0, bytes);
  return is_finite(tensor.type, copy.data(), bytes);
}

// Gives matrices in a file the shape of the 1x1 convolutions that the library loads them into.
//
// A ControlNet for Stable Diffusion 2 has the one where the library, which does not look at such a
// file before it builds the network, expects the other. The numbers and their order are the same.
void reshape_projections(ModelLoader& loader, const Tensors& tensors) {
  for (auto& [name, stored] : loader.get_tensor_storage_map()) {
    const auto tensor = tensors.find(name);
    if (tensor == tensors.end() || stored.n_dims != 2) {
      continue;
    }
    const std::int64_t* wanted = tensor->second->ne;
    if (wanted[0] == 1 && wanted[1] == 1 && wanted[2] == stored.ne[0] &&
        wanted[3] == stored.ne[1]) {
      stored.n_dims = GGML_MAX_DIMS;
      std::copy_n(wanted, GGML_MAX_DIMS, stored.ne);
    }
  }
}

// Returns the tensors that the loader has filled, with their names.
NamedTensors loaded_tensors(ModelLoader& loader, const Tensors& tensors) {
  NamedTensors found;
  for (const auto& [name, storage] : loader.get_tensor_storage_map()) {
    const auto tensor = tensors.find(name);
    if (tensor != tensors.end() && tensor->second->data != nullptr && !is_unused_tensor(name)) {
      found.emplace_back(name, tensor->second);
    }
  }
  return found;
}

// Discards the library's progress while one exists that is closed.
class ProgressGate {
 public:
  explicit ProgressGate(bool is_open)
      : function_(sd_get_progress_callback()), data_(sd_get_progress_callback_data()) {
    if (!is_open) {
      sd_set_progress_callback([](int, int, float, void*) {}, nullptr);
    }
  }
  ~ProgressGate() { sd_set_progress_callback(function_, data_); }
  ProgressGate(const ProgressGate&) = delete;
  ProgressGate(ProgressGate&&) = delete;
  ProgressGate& operator=(const ProgressGate&) = delete;
  ProgressGate& operator=(ProgressGate&&) = delete;

 private:
  sd_progress_cb_t function_;
  void* data_;
};

bool is_lora(const ModelLoader& loader) {
  const std::vector<std::string> names = loader.get_tensor_names();
  return !names.empty() && names.front().compare(0, 5, "lora.") == 0;
}

}  // namespace

std::string damaged_tensor(const NamedTensors& all, int threads,
                           const std::function<void(std::size_t)>& on_checked) {
  std::atomic<std::size_t> next{0};
  std::atomic<std::size_t> damaged{all.size()};
  const auto check = [&](const std::function<void(std::size_t)>& on_next) {
    std::vector<std::uint8_t> copy;
    for (std::size_t i = next++; i < damaged; i = next++) {
      if (on_next) {
        on_next(i);
      }
      if (!is_finite(*all[i].second, copy)) {
        for (std::size_t first = damaged; i < first && !damaged.compare_exchange_weak(first, i);) {
        }
      }
    }
  };
  const int worker_count = std::min<int>(threads, static_cast<int>(all.size()));
  std::vector<std::thread> workers;
  for (int i = 1; i < worker_count; ++i) {
    workers.emplace_back(check, nullptr);
  }
  check(on_checked);
  for (std::thread& worker : workers) {
    worker.join();
  }
  if (on_checked && damaged == all.size()) {
    on_checked(all.size());
  }
  return damaged < all.size() ? all[damaged].first : "";
}

}  // namespace gpustack_draw

bool ModelLoader::load_tensors(on_new_tensor_cb_t on_new_tensor_cb, int n_threads, bool use_mmap) {
  if (gpustack_draw::is_lora(*this)) {
    gpustack_draw::load_lora(*this, version_, file_paths_.front(), on_new_tensor_cb, n_threads,
                             use_mmap);
    return true;
  }
  return gpustack_draw::load_weights(*this, std::move(on_new_tensor_cb), n_threads, use_mmap);
}

bool ModelLoader::load_tensors(std::map<std::string, ggml_tensor*>& tensors,
                               std::set<std::string> ignore_tensors, int n_threads, bool use_mmap) {
  const gpustack_draw::TextProjections projections(*this, tensors);
  gpustack_draw::reshape_projections(*this, tensors);
  bool are_mapped = false;
  {
    const gpustack_draw::MappedWeights mapped(*this, file_paths_, tensors);
    are_mapped = !mapped.empty();
    const gpustack_draw::ProgressGate gate(!are_mapped);
    if (!gpustack_draw::load_weights(*this, tensors, std::move(ignore_tensors), n_threads,
                                     use_mmap)) {
      return false;
    }
  }
  const gpustack_draw::NamedTensors loaded = gpustack_draw::loaded_tensors(*this, tensors);
  std::function<void(std::size_t)> report;
  if (are_mapped) {  // the check reads them from the disk
    report = [total = static_cast<int>(loaded.size())](std::size_t checked) {
      sd_get_progress_callback()(static_cast<int>(checked), total, 0,
                                 sd_get_progress_callback_data());
    };
  }
  const std::string damaged = gpustack_draw::damaged_tensor(loaded, n_threads, report);
  if (damaged.empty()) {
    projections.transpose();
    return true;
  }
  gpustack_draw::NumberChecks::report_damaged_tensor(damaged);
  return false;
}
