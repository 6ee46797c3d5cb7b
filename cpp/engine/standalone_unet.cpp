// UNets of Stable Diffusion 1, 2 and XL in a file without text encoders.
//
// The library recognizes these families by their text encoders, and it does so before it reads the
// encoders' own files. So a file with a UNet alone gets the token embedding of the encoder that its
// attention was trained with: the real one replaces it as soon as its file is read.
//
// The build compiles the library's read_gguf_file() and read_safetensors_file() under other names
// (cmake/EngineLibrary.cmake), so that its callers find the ones below.

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

// A prefix that programs put before a UNet's names, and the one that the library expects instead.
// Each naming is recognized by its first and its last layer; a ControlNet has no last one.
struct Naming {
  std::string_view prefix;
  std::string_view first;
  std::string_view last;
  std::string_view wanted;
};

constexpr std::string_view original_first = "input_blocks.0.0.weight";
constexpr std::string_view original_last = "out.2.weight";
constexpr std::string_view original_wanted = "model.diffusion_model.";
constexpr std::string_view diffusers_first = "conv_in.weight";
constexpr std::string_view diffusers_last = "conv_out.weight";
constexpr std::string_view diffusers_wanted = "unet.";

constexpr std::array<Naming, 7> namings = {{
    {"model.diffusion_model.", original_first, original_last, original_wanted},
    {"diffusion_model.", original_first, original_last, original_wanted},
    {"", original_first, original_last, original_wanted},
    {"model.diffusion_model.", diffusers_first, diffusers_last, diffusers_wanted},
    {"diffusion_model.", diffusers_first, diffusers_last, diffusers_wanted},
    {"unet.", diffusers_first, diffusers_last, diffusers_wanted},
    {"", diffusers_first, diffusers_last, diffusers_wanted},
}};

// The width of the text that a UNet attends to; 0 where the file holds none.
std::int64_t text_width(const Tensors& tensors) {
  for (const TensorStorage& tensor : tensors) {
    if (ends_with(tensor.name, ".attn2.to_k.weight")) {
      return tensor.ne[0];
    }
  }
  return 0;
}

// The embedding by which the library recognizes a family; without a name for other widths.
TensorStorage stand_in(std::int64_t width) {
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

// The naming of a file that holds a UNet; null for any other file.
const Naming* naming_of_unet(const Tensors& tensors) {
  const auto* naming = std::find_if(namings.begin(), namings.end(), [&](const Naming& candidate) {
    const std::string prefix(candidate.prefix);
    return has(tensors, prefix + std::string(candidate.first)) &&
           has(tensors, prefix + std::string(candidate.last));
  });
  return naming == namings.end() ? nullptr : naming;
}

void complete(Tensors& tensors, const Naming& naming) {
  const bool has_encoder = std::any_of(
      tensors.begin(), tensors.end(),
      [](const TensorStorage& tensor) { return ends_with(tensor.name, "token_embedding.weight"); });
  TensorStorage embedding = stand_in(text_width(tensors));
  if (has_encoder || embedding.name.empty()) {
    return;
  }
  constexpr std::array<std::string_view, 2> decoders = {"first_stage_model.", "vae."};
  for (TensorStorage& tensor : tensors) {
    const bool is_of_decoder =
        std::any_of(decoders.begin(), decoders.end(),
                    [&](std::string_view prefix) { return starts_with(tensor.name, prefix); });
    if (!is_of_decoder && starts_with(tensor.name, naming.prefix)) {
      tensor.name.replace(0, naming.prefix.size(), naming.wanted);
    }
  }
  tensors.push_back(std::move(embedding));
}

struct FreeGguf {
  void operator()(gguf_context* context) const noexcept { gguf_free(context); }
};

// Quantizers for ComfyUI store a UNet's tensors in rows of 256 numbers, because others do not fill
// blocks, and keep the shapes among the file's keys, slowest dimension first.
void restore_shapes(const std::string& path, Tensors& tensors) {
  const std::unique_ptr<gguf_context, FreeGguf> file(
      gguf_init_from_file(path.c_str(), {true, nullptr}));
  if (file == nullptr) {
    return;  // the library has read it in another way, and such a file has no lists
  }
  for (TensorStorage& tensor : tensors) {
    const std::int64_t key =
        gguf_find_key(file.get(), ("comfy.gguf.orig_shape." + tensor.name).c_str());
    if (key < 0 || gguf_get_kv_type(file.get(), key) != GGUF_TYPE_ARRAY ||
        gguf_get_arr_type(file.get(), key) != GGUF_TYPE_INT32) {
      continue;
    }
    const std::size_t count = gguf_get_arr_n(file.get(), key);
    const auto* sides = static_cast<const std::int32_t*>(gguf_get_arr_data(file.get(), key));
    if (count < 1 || count > GGML_MAX_DIMS) {
      continue;
    }
    TensorStorage restored = tensor;
    restored.n_dims = static_cast<int>(count);
    std::fill(std::begin(restored.ne), std::end(restored.ne), 1);
    std::reverse_copy(sides, sides + count, std::begin(restored.ne));
    if (restored.nelements() == tensor.nelements()) {
      tensor = restored;
    }
  }
}

}  // namespace

bool read_gguf_file(const std::string& file_path, Tensors& tensor_storages, std::string* error) {
  if (!library_read_gguf_file(file_path, tensor_storages, error)) {
    return false;
  }
  if (const Naming* naming = naming_of_unet(tensor_storages)) {
    restore_shapes(file_path, tensor_storages);
    complete(tensor_storages, *naming);
  }
  return true;
}

bool read_safetensors_file(const std::string& file_path, Tensors& tensor_storages,
                           std::string* error) {
  if (!library_read_safetensors_file(file_path, tensor_storages, error)) {
    return false;
  }
  if (const Naming* naming = naming_of_unet(tensor_storages)) {
    complete(tensor_storages, *naming);
  }
  return true;
}
