// Reads UNets of Stable Diffusion 1, 2 and XL from files without text encoders.
//
// The library detects these families by their text encoders, before it reads the encoders' own
// files. So a placeholder for the token embedding of the matching encoder is added to the tensors
// of such a file. The real embedding replaces it when its file is read.
//
// The build renames the library's read_gguf_file() and read_safetensors_file()
// (cmake/EngineLibrary.cmake), so that its callers get the functions below.

#include "engine/standalone_unet.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gguf.h"
#include "model_io/gguf_io.h"
#include "model_io/safetensors_io.h"

bool library_read_gguf_file(const std::string& path, std::vector<TensorStorage>& tensors,
                            std::string* error);
bool library_read_safetensors_file(const std::string& path, std::vector<TensorStorage>& tensors,
                                   std::string* error);

namespace {

using Tensors = std::vector<TensorStorage>;

constexpr std::int64_t sd1_width = 768;
constexpr std::int64_t sd2_width = 1024;
constexpr std::int64_t sdxl_width = 2048;

bool starts_with(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

bool ends_with(std::string_view text, std::string_view suffix) {
  return text.size() >= suffix.size() && text.substr(text.size() - suffix.size()) == suffix;
}

bool has(const Tensors& tensors, const std::string& name) {
  return std::any_of(tensors.begin(), tensors.end(),
                     [&](const TensorStorage& tensor) { return tensor.name == name; });
}

// A naming scheme of a UNet, and the prefix that the library expects instead. A scheme is detected
// by its first and its last layer; a ControlNet has no last layer.
struct Naming {
  std::string_view prefix;
  std::string_view first;
  std::string_view last;
  std::string_view library_prefix;
};

constexpr std::string_view original_first = "input_blocks.0.0.weight";
constexpr std::string_view original_last = "out.2.weight";
constexpr std::string_view original_library_prefix = "model.diffusion_model.";
constexpr std::string_view diffusers_first = "conv_in.weight";
constexpr std::string_view diffusers_last = "conv_out.weight";
constexpr std::string_view diffusers_library_prefix = "unet.";

constexpr std::array<Naming, 7> namings = {{
    {"model.diffusion_model.", original_first, original_last, original_library_prefix},
    {"diffusion_model.", original_first, original_last, original_library_prefix},
    {"", original_first, original_last, original_library_prefix},
    {"model.diffusion_model.", diffusers_first, diffusers_last, diffusers_library_prefix},
    {"diffusion_model.", diffusers_first, diffusers_last, diffusers_library_prefix},
    {"unet.", diffusers_first, diffusers_last, diffusers_library_prefix},
    {"", diffusers_first, diffusers_last, diffusers_library_prefix},
}};

// Returns the width of the text embeddings in the cross-attention; 0 if there is none.
std::int64_t text_width(const Tensors& tensors) {
  for (const TensorStorage& tensor : tensors) {
    if (ends_with(tensor.name, ".attn2.to_k.weight")) {
      return tensor.ne[0];
    }
  }
  return 0;
}

// Returns the embedding by which the library detects the family; unnamed for other widths.
TensorStorage placeholder_embedding(std::int64_t width) {
  TensorStorage embedding;
  embedding.type = GGML_TYPE_F16;
  embedding.n_dims = 2;
  embedding.ne[0] = width;
  if (width == sd1_width || width == sd2_width) {
    embedding.name = "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight";
  } else if (width == sdxl_width) {
    embedding.name = "cond_stage_model.1.transformer.text_model.embeddings.token_embedding.weight";
  }
  return embedding;
}

// Returns the naming scheme of a UNet; null if the file contains none.
const Naming* find_naming(const Tensors& tensors) {
  const auto* naming = std::find_if(namings.begin(), namings.end(), [&](const Naming& candidate) {
    const std::string prefix(candidate.prefix);
    return has(tensors, prefix + std::string(candidate.first)) &&
           has(tensors, prefix + std::string(candidate.last));
  });
  return naming == namings.end() ? nullptr : naming;
}

void add_placeholder_of(Tensors& tensors, const Naming& naming) {
  const bool has_encoder = std::any_of(
      tensors.begin(), tensors.end(),
      [](const TensorStorage& tensor) { return ends_with(tensor.name, "token_embedding.weight"); });
  TensorStorage embedding = placeholder_embedding(text_width(tensors));
  if (has_encoder || embedding.name.empty()) {
    return;
  }
  constexpr std::array<std::string_view, 2> decoders = {"first_stage_model.", "vae."};
  for (TensorStorage& tensor : tensors) {
    const bool is_decoder =
        std::any_of(decoders.begin(), decoders.end(),
                    [&](std::string_view prefix) { return starts_with(tensor.name, prefix); });
    if (!is_decoder && starts_with(tensor.name, naming.prefix)) {
      tensor.name.replace(0, naming.prefix.size(), naming.library_prefix);
    }
  }
  tensors.push_back(std::move(embedding));
}

struct FreeGguf {
  void operator()(gguf_context* context) const noexcept { gguf_free(context); }
};

// Quantizers for ComfyUI reshape tensors whose rows do not fill blocks to rows of 256 elements, and
// store the original shapes in the file's metadata, slowest dimension first.
void restore_shapes(const std::string& path, Tensors& tensors) {
  const std::unique_ptr<gguf_context, FreeGguf> file(
      gguf_init_from_file(path.c_str(), {true, nullptr}));
  if (file == nullptr) {
    return;  // read by the library in another way; such a file has no arrays
  }
  for (TensorStorage& tensor : tensors) {
    const std::int64_t key =
        gguf_find_key(file.get(), ("comfy.gguf.orig_shape." + tensor.name).c_str());
    if (key < 0 || gguf_get_kv_type(file.get(), key) != GGUF_TYPE_ARRAY ||
        gguf_get_arr_type(file.get(), key) != GGUF_TYPE_INT32) {
      continue;
    }
    const std::size_t count = gguf_get_arr_n(file.get(), key);
    const auto* dimensions = static_cast<const std::int32_t*>(gguf_get_arr_data(file.get(), key));
    if (count < 1 || count > GGML_MAX_DIMS) {
      continue;
    }
    TensorStorage restored = tensor;
    restored.n_dims = static_cast<int>(count);
    std::fill(std::begin(restored.ne), std::end(restored.ne), 1);
    std::reverse_copy(dimensions, dimensions + count, std::begin(restored.ne));
    if (restored.nelements() == tensor.nelements()) {
      tensor = restored;
    }
  }
}

}  // namespace

void gpustack_draw::add_encoder_placeholder(std::vector<TensorStorage>& tensors) {
  if (const Naming* naming = find_naming(tensors)) {
    add_placeholder_of(tensors, *naming);
  }
}

bool read_gguf_file(const std::string& file_path, Tensors& tensor_storages, std::string* error) {
  if (!library_read_gguf_file(file_path, tensor_storages, error)) {
    return false;
  }
  if (const Naming* naming = find_naming(tensor_storages)) {
    restore_shapes(file_path, tensor_storages);
    add_placeholder_of(tensor_storages, *naming);
  }
  return true;
}

bool read_safetensors_file(const std::string& file_path, Tensors& tensor_storages,
                           std::string* error) {
  if (!library_read_safetensors_file(file_path, tensor_storages, error)) {
    return false;
  }
  gpustack_draw::add_encoder_placeholder(tensor_storages);
  return true;
}
