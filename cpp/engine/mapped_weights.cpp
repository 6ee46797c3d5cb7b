#include "engine/mapped_weights.h"

#include <cstddef>
#include <cstdint>
#include <utility>

#include "engine/mapped_files.h"
#include "engine/text_projection.h"
#include "ggml-backend.h"
#include "util.h"

// Returns true for tensors that the loader skips. No header declares it.
bool is_unused_tensor(const std::string& name);

namespace gpustack_draw {
namespace {

bool is_on_cpu(const ggml_tensor& tensor) {
  if (tensor.buffer == nullptr) {
    return false;
  }
  ggml_backend_buffer_type_t type = ggml_backend_buffer_get_type(tensor.buffer);
  ggml_backend_dev_t device = ggml_backend_buft_get_device(type);
  return ggml_backend_buffer_is_host(tensor.buffer) && device != nullptr &&
         ggml_backend_dev_type(device) == GGML_BACKEND_DEVICE_TYPE_CPU;
}

// Returns true if the bytes in the file are those of the tensor.
bool has_bytes_of(const TensorStorage& stored, const ggml_tensor& tensor) {
  for (int i = 0; i < GGML_MAX_DIMS; ++i) {
    if (stored.ne[i] != tensor.ne[i]) {
      return false;  // the library refuses it
    }
  }
  const bool is_converted = stored.type != tensor.type || stored.is_f8_e4m3 || stored.is_f8_e5m2 ||
                            stored.is_f64 || stored.is_i64;
  return !is_converted && stored.index_in_zip < 0 && stored.nbytes() > 0 &&
         static_cast<std::size_t>(stored.nbytes()) == ggml_nbytes(&tensor);
}

bool map(MappedFiles& files, const std::string& path, const TensorStorage& stored,
         ggml_tensor& tensor) {
  // Blocks of quantized numbers begin with a scale in f16; all other numbers have 4 bytes at most.
  constexpr std::uint64_t alignment = 4;
  if (!is_on_cpu(tensor) || !has_bytes_of(stored, tensor) || stored.offset % alignment != 0) {
    return false;
  }
  const MmapWrapper* file = files.map(path);
  const std::size_t bytes = ggml_nbytes(&tensor);
  if (file == nullptr || bytes > file->size() || stored.offset > file->size() - bytes) {
    return false;
  }
  // Only LoRAs and transposed projections are written, and neither is mapped.
  tensor.data = const_cast<std::uint8_t*>(file->data() + stored.offset);
  return true;
}

}  // namespace

const MmapWrapper* MappedFiles::map(const std::string& path) {
#ifdef _WIN32
  return nullptr;  // a mapped file could be neither replaced nor deleted there
#else
  auto found = files_.find(path);
  if (found == files_.end()) {
    found = files_.emplace(path, MmapWrapper::create(path)).first;
  }
  return found->second.get();
#endif
}

MappedWeights::MappedWeights(ModelLoader& loader, const std::vector<std::string>& paths,
                             Tensors& tensors)
    : loader_(loader), tensors_(tensors), stored_(loader.get_tensor_storage_map()) {
  MappedFiles* files = MappedFiles::current();
  if (files == nullptr) {
    return;
  }
  for (const auto& [name, storage] : stored_) {
    const auto tensor = tensors_.find(name);
    if (tensor != tensors_.end() && !is_unused_tensor(name) && !is_transposed(name) &&
        map(*files, paths[storage.file_index], storage, *tensor->second)) {
      mapped_.insert(tensors_.extract(tensor));
      loader_.get_tensor_storage_map().erase(name);
    }
  }
}

MappedWeights::~MappedWeights() {
  loader_.get_tensor_storage_map() = std::move(stored_);
  tensors_.merge(mapped_);
}

}  // namespace gpustack_draw
