// Other programs' tensor names, mapped to the library's.
//
// The build compiles the library's convert_tensor_name() under another name
// (cmake/EngineLibrary.cmake), so that its callers find the one below.

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

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

// What the library puts before the names of a CLIP encoder's own file, less "transformer.", and
// what it calls that encoder in UNets.
struct Encoder {
  std::string_view prefix;
  std::string_view in_unets;
};

constexpr std::array<Encoder, 4> encoders = {{
    {"cond_stage_model.1.", "cond_stage_model.1."},
    {"cond_stage_model.", "cond_stage_model."},
    {"text_encoders.clip_g.", "cond_stage_model.1."},
    {"text_encoders.clip_l.", "cond_stage_model."},
}};
constexpr std::string_view transformer = "transformer.";
// How names begin in such files, as Hugging Face and as OpenCLIP write them.
constexpr std::array<std::string_view, 2> hugging_face = {"text_model.", "text_projection.weight"};
constexpr std::array<std::string_view, 5> open_clip = {
    "transformer.resblocks.", "token_embedding.weight", "positional_embedding", "ln_final.",
    "text_projection"};

template <std::size_t count>
std::size_t find_start(std::string_view name, const std::array<std::string_view, count>& starts) {
  for (const std::string_view start : starts) {
    const std::size_t place = name.find(start);
    if (place == 0 || (place != std::string_view::npos && name[place - 1] == '.')) {
      return place;
    }
  }
  return std::string_view::npos;
}

// Drops what programs put before the names of a CLIP encoder, and converts OpenCLIP's, which the
// library does for the encoders inside a UNet's file only.
std::string convert_encoder_name(std::string name, SDVersion version) {
  for (const Encoder& encoder : encoders) {
    const std::string prefix = std::string(encoder.prefix) + std::string(transformer);
    if (name.compare(0, prefix.size(), prefix) != 0) {
      continue;
    }
    const std::string rest = name.substr(prefix.size());
    std::size_t place = find_start(rest, hugging_face);
    if (place != std::string_view::npos) {
      return prefix + rest.substr(place);
    }
    place = find_start(rest, open_clip);
    if (place != std::string_view::npos && rest.find("visual.") == std::string::npos) {
      name = std::string(encoder.in_unets) + "model." + rest.substr(place);
      name = library_convert_tensor_name(std::move(name), version);
      replace_prefix(name, encoder.in_unets, encoder.prefix);
    }
    break;
  }
  return name;
}

}  // namespace

std::string convert_tensor_name(std::string name, SDVersion version) {
  const bool is_sd3 = sd_version_is_sd3(version);
  if (is_sd3 || sd_version_is_flux(version)) {
    // llama-box numbers the text encoders of these too, in the order of their pipelines. The
    // library does so for UNets only; here it would find none, draw, and ignore the prompt.
    replace_prefix(name, "cond_stage_model.2.", "text_encoders.t5xxl.");
    replace_prefix(name, "cond_stage_model.1.",
                   is_sd3 ? "text_encoders.clip_g." : "text_encoders.t5xxl.");
    replace_prefix(name, "cond_stage_model.", "text_encoders.clip_l.");
  }
  constexpr std::string_view projection = "text_projection";
  const bool is_of_open_clip =
      ends_with(name, projection) && name.find("text_model.") == std::string::npos;
  name = convert_encoder_name(std::move(name), version);
  name = library_convert_tensor_name(std::move(name), version);
  return is_of_open_clip && ends_with(name, projection) ? name + gpustack_draw::transposed_suffix
                                                        : name;
}
