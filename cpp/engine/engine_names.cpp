#include "engine/engine_names.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <map>
#include <stdexcept>
#include <utility>

#include "engine/library_session.h"
#include "engine/standalone_unet.h"
#include "model.h"
#include "name_conversion.h"

namespace gpustack_draw {
namespace {

constexpr std::size_t max_tensors = 65'536;
constexpr std::size_t max_name_bytes = 512;
constexpr std::int64_t max_side = std::int64_t{1} << 48;

// A component and the prefix that the library adds to the names in its file.
struct Component {
  const char* name;
  const char* prefix;
  const char* unet_prefix;  // of a model with a UNet
};

// In the library's order.
constexpr Component components[] = {
    {"model", "", ""},
    {"diffusion_model", "model.diffusion_model.", "model.diffusion_model."},
    {"clip_l", "text_encoders.clip_l.transformer.", "cond_stage_model.transformer."},
    {"clip_g", "text_encoders.clip_g.transformer.", "cond_stage_model.1.transformer."},
    {"t5xxl", "text_encoders.t5xxl.transformer.", "text_encoders.t5xxl.transformer."},
    {"llm", "text_encoders.llm.", "text_encoders.llm."},
    {"llm_vision", "text_encoders.llm.visual.", "text_encoders.llm.visual."},
    {"vae", "vae.", "vae."},
    {"taesd", "tae.", "tae."},
};

// Reads names and shapes as ModelLoader does, without files.
class NameLoader : public ModelLoader {
 public:
  /// Returns the names with the library's prefixes, in the order of the tensors.
  std::vector<std::string> add_file(std::vector<TensorStorage> tensors, const std::string& prefix) {
    const std::size_t count = tensors.size();
    add_encoder_placeholder(tensors);
    std::vector<std::string> names;
    for (TensorStorage& tensor : tensors) {
      if (tensor.name.compare(0, prefix.size(), prefix) != 0) {
        tensor.name.insert(0, prefix);
      }
      names.push_back(tensor.name);
      add_tensor_storage(tensor);
    }
    names.resize(count);  // without the placeholder
    return names;
  }
};

void check_name(const std::string& name) {
  if (name.empty() || name.size() > max_name_bytes) {
    throw std::invalid_argument("the name of a tensor has " + std::to_string(name.size()) +
                                " bytes");
  }
}

void check_count(std::size_t count) {
  if (count > max_tensors) {
    throw std::invalid_argument("there are " + std::to_string(count) + " tensors");
  }
}

TensorStorage storage_of(const HeaderTensor& tensor) {
  check_name(tensor.name);
  const bool fits = tensor.shape.size() <= SD_MAX_DIMS &&
                    std::all_of(tensor.shape.begin(), tensor.shape.end(),
                                [](std::int64_t side) { return side >= 0 && side <= max_side; });
  if (!fits) {
    throw std::invalid_argument("no model has the shape of a tensor");
  }
  TensorStorage storage;
  storage.name = tensor.name;
  storage.n_dims = static_cast<int>(tensor.shape.size());
  std::copy(tensor.shape.begin(), tensor.shape.end(), std::begin(storage.ne));
  return storage;
}

// Indices of the tensors by component.
std::map<std::string, std::vector<std::size_t>> by_component(
    const std::vector<HeaderTensor>& tensors) {
  std::map<std::string, std::vector<std::size_t>> indices;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    indices[tensors[i].component].push_back(i);
  }
  for (const auto& [name, unused] : indices) {
    const bool is_known =
        std::any_of(std::begin(components), std::end(components),
                    [&name = name](const Component& known) { return known.name == name; });
    if (!is_known) {
      throw std::invalid_argument("no file named '" + name + "'");
    }
  }
  return indices;
}

// Adds all tensors and returns their names with the library's prefixes.
std::vector<std::string> add_files(NameLoader& loader, const std::vector<HeaderTensor>& tensors) {
  std::vector<std::string> names(tensors.size());
  const auto indices = by_component(tensors);
  for (const Component& component : components) {
    const auto file = indices.find(component.name);
    if (file == indices.end()) {
      continue;
    }
    std::vector<TensorStorage> storages;
    for (const std::size_t i : file->second) {
      storages.push_back(storage_of(tensors[i]));
    }
    const bool is_unet = sd_version_is_unet(loader.get_sd_version());
    const std::vector<std::string> prefixed =
        loader.add_file(std::move(storages), is_unet ? component.unet_prefix : component.prefix);
    for (std::size_t i = 0; i < prefixed.size(); ++i) {
      names[file->second[i]] = prefixed[i];
    }
  }
  return names;
}

}  // namespace

EngineNames engine_names(const std::vector<HeaderTensor>& model,
                         const std::vector<std::string>& lora) {
  check_count(model.size());
  check_count(lora.size());
  const LibrarySession session(nullptr);  // the library fills its tables without a lock
  NameLoader loader;
  EngineNames names;
  const std::vector<std::string> prefixed = add_files(loader, model);
  const SDVersion stored_version = loader.get_sd_version();
  for (const std::string& name : prefixed) {
    names.model.push_back(convert_tensor_name(name, stored_version));
  }
  loader.convert_tensors_name();
  const SDVersion version = loader.get_sd_version();  // with which the library loads LoRAs
  for (const std::string& name : lora) {
    check_name(name);
    const std::string prefix = name.compare(0, 5, "lora.") == 0 ? "" : "lora.";
    names.lora.push_back(convert_tensor_name(prefix + name, version));
  }
  return names;
}

}  // namespace gpustack_draw
