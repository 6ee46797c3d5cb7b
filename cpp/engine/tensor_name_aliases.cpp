// Maps tensor names of other programs to the library's names.
//
// The build renames the library's convert_tensor_name() (cmake/EngineLibrary.cmake), so that its
// callers get the function below.

#include <array>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "engine/control_net_names.h"
#include "engine/lora_names.h"
#include "engine/text_projection.h"
#include "name_conversion.h"

std::string library_convert_tensor_name(std::string name, SDVersion version);

namespace {

void replace_prefix(std::string& name, std::string_view prefix, std::string_view replacement) {
  if (name.compare(0, prefix.size(), prefix) == 0) {
    name.replace(0, prefix.size(), replacement);
  }
}

bool ends_with(std::string_view text, std::string_view ending) {
  return text.size() >= ending.size() && text.substr(text.size() - ending.size()) == ending;
}

// PyTorch nests the tensors of upscaling models in dictionaries, which converters flatten; the
// second implementation of ESRGAN has names of its own.
void rename_upscaling_model(std::string& name) {
  replace_prefix(name, "params_ema.", "");
  replace_prefix(name, "params.", "");
  if (const std::size_t dense = name.find(".RDB"); name.compare(0, 11, "RRDB_trunk.") == 0) {
    if (dense != std::string::npos) {
      name.replace(dense, 4, ".rdb");
    }
    replace_prefix(name, "RRDB_trunk.", "body.");
  }
  replace_prefix(name, "trunk_conv.", "conv_body.");
  replace_prefix(name, "upconv1.", "conv_up1.");
  replace_prefix(name, "upconv2.", "conv_up2.");
  replace_prefix(name, "HRconv.", "conv_hr.");
}

// Prefixes of a CLIP encoder, without "transformer.": the one that the library adds to the names in
// the encoder's own file, and the one that it uses in checkpoints with a UNet.
struct Encoder {
  std::string_view prefix;
  std::string_view checkpoint_prefix;
};

constexpr std::array<Encoder, 4> encoders = {{
    {"cond_stage_model.1.", "cond_stage_model.1."},
    {"cond_stage_model.", "cond_stage_model."},
    {"text_encoders.clip_g.", "cond_stage_model.1."},
    {"text_encoders.clip_l.", "cond_stage_model."},
}};
constexpr std::string_view transformer = "transformer.";
// First parts of the names in such files, in the layouts of Hugging Face and of OpenCLIP.
constexpr std::array<std::string_view, 2> hugging_face = {"text_model.", "text_projection.weight"};
constexpr std::array<std::string_view, 5> open_clip = {
    "transformer.resblocks.", "token_embedding.weight", "positional_embedding", "ln_final.",
    "text_projection"};

template <std::size_t count>
std::size_t find_start(std::string_view name, const std::array<std::string_view, count>& starts) {
  for (const std::string_view start : starts) {
    const std::size_t position = name.find(start);
    if (position == 0 || (position != std::string_view::npos && name[position - 1] == '.')) {
      return position;
    }
  }
  return std::string_view::npos;
}

// Removes other programs' prefixes from the names of a CLIP encoder and converts OpenCLIP's names,
// which the library does only for encoders in checkpoints with a UNet.
std::string convert_encoder_name(std::string name, SDVersion version) {
  for (const Encoder& encoder : encoders) {
    const std::string prefix = std::string(encoder.prefix) + std::string(transformer);
    if (name.compare(0, prefix.size(), prefix) != 0) {
      continue;
    }
    const std::string rest = name.substr(prefix.size());
    std::size_t start = find_start(rest, hugging_face);
    if (start != std::string_view::npos) {
      return prefix + rest.substr(start);
    }
    start = find_start(rest, open_clip);
    if (start != std::string_view::npos && rest.find("visual.") == std::string::npos) {
      name = std::string(encoder.checkpoint_prefix) + "model." + rest.substr(start);
      name = library_convert_tensor_name(std::move(name), version);
      replace_prefix(name, encoder.checkpoint_prefix, encoder.prefix);
    }
    break;
  }
  return name;
}

std::string convert_lora_name(std::string name, SDVersion version) {
  name = gpustack_draw::library_lora_name(std::move(name), version);
  name = library_convert_tensor_name(std::move(name), version);
  return gpustack_draw::family_encoder_name(std::move(name), version);
}

std::string convert_model_name(std::string name, SDVersion version) {
  rename_upscaling_model(name);
  name = gpustack_draw::convert_control_net_name(std::move(name));
  const bool is_sd3 = sd_version_is_sd3(version);
  if (is_sd3 || sd_version_is_flux(version)) {
    // llama-box numbers the text encoders of these families too, in the order of their pipelines.
    // The library knows such names for UNets only: it would find no encoder and ignore the prompt.
    replace_prefix(name, "cond_stage_model.2.", "text_encoders.t5xxl.");
    replace_prefix(name, "cond_stage_model.1.",
                   is_sd3 ? "text_encoders.clip_g." : "text_encoders.t5xxl.");
    replace_prefix(name, "cond_stage_model.", "text_encoders.clip_l.");
  }
  constexpr std::string_view projection = "text_projection";
  const bool is_open_clip =
      ends_with(name, projection) && name.find("text_model.") == std::string::npos;
  name = convert_encoder_name(std::move(name), version);
  name = library_convert_tensor_name(std::move(name), version);
  return is_open_clip && ends_with(name, projection) ? name + gpustack_draw::transposed_suffix
                                                     : name;
}

}  // namespace

std::string convert_tensor_name(std::string name, SDVersion version) {
  const bool is_lora = name.compare(0, 5, "lora.") == 0;
  try {
    return is_lora ? convert_lora_name(name, version) : convert_model_name(name, version);
  } catch (const std::out_of_range&) {
    return name;  // thrown for an unfinished name, such as "transformer.resblocks.0"
  }
}
