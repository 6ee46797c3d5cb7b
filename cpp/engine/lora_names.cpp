#include "engine/lora_names.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "engine/line_text.h"

namespace gpustack_draw {
namespace {

constexpr std::string_view lora_prefix = "lora.";

bool remove_prefix(std::string& name, std::string_view prefix) {
  if (!starts_with(name, prefix)) {
    return false;
  }
  name.erase(0, prefix.size());
  return true;
}

struct Replacement {
  std::string_view old_text;
  std::string_view new_text;
};

// Replaces the first prefix that matches.
template <std::size_t count>
bool replace_prefix(std::string& name, const std::array<Replacement, count>& replacements) {
  for (const auto& [old_text, new_text] : replacements) {
    if (starts_with(name, old_text)) {
      name.replace(0, old_text.size(), new_text);
      return true;
    }
  }
  return false;
}

// "lora_A.name_of_the_adapter.weight" becomes "lora_A.weight".
void remove_adapter_name(std::string& name) {
  constexpr std::string_view ending = ".weight";
  for (const std::string_view factor : {".lora_A.", ".lora_B."}) {
    const std::size_t found = name.rfind(factor);
    if (found == std::string::npos || name.size() < found + factor.size() + ending.size()) {
      continue;
    }
    const std::size_t end_of_factor = found + factor.size() - 1;
    if (name.compare(name.size() - ending.size(), ending.size(), ending) == 0) {
      name.replace(end_of_factor, std::string::npos, ending);
    }
  }
}

// Converts the factors of diffusers before version 0.21: "lora_linear_layer.down.weight".
void convert_old_factor(std::string& name) {
  constexpr std::string_view old_factor = ".lora_linear_layer.";
  const std::size_t found = name.rfind(old_factor);
  if (found != std::string::npos) {
    name.replace(found, old_factor.size(), ".lora.");
  }
}

// Modules of transformers whose names contain underscores, which kohya's tools also put between the
// names of modules.
const std::unordered_set<std::string_view>& modules_with_underscores() {
  static const std::unordered_set<std::string_view> modules = {
      "adaLN_mlp_ln",
      "adaLN_modulation",
      "adaLN_sa_ln",
      "adaln_modulation",
      "adaln_modulation_cross_attn",
      "adaln_modulation_mlp",
      "adaln_modulation_self_attn",
      "add_k_proj",
      "add_out_proj",
      "add_q_proj",
      "add_v_proj",
      "after_proj",
      "before_proj",
      "cap_embedder",
      "context_block",
      "context_embedder",
      "context_refiner",
      "cross_attn",
      "distilled_guidance_layer",
      "double_blocks",
      "double_stream_modulation_img",
      "double_stream_modulation_txt",
      "down_proj",
      "feed_forward",
      "ff_context",
      "final_layer",
      "final_linear",
      "gate_proj",
      "guidance_embedder",
      "guidance_in",
      "img_attn",
      "img_emb",
      "img_in",
      "img_mlp",
      "img_mod",
      "in_layer",
      "in_proj",
      "joint_blocks",
      "k_img",
      "k_proj",
      "key_norm",
      "linear_1",
      "linear_2",
      "linear_fc1",
      "linear_fc2",
      "linear_in",
      "linear_out",
      "llm_adapter",
      "noise_refiner",
      "norm1_context",
      "norm_out",
      "out_layer",
      "out_proj",
      "output_proj",
      "patch_embedding",
      "pos_embed",
      "proj_mlp",
      "proj_out",
      "q_proj",
      "query_norm",
      "self_attention",
      "self_attn",
      "single_blocks",
      "single_stream_modulation",
      "single_transformer_blocks",
      "t_embedder",
      "text_embedder",
      "text_embedding",
      "text_proj",
      "time_embedding",
      "time_guidance_embed",
      "time_in",
      "time_projection",
      "time_text_embed",
      "timestep_embedder",
      "to_add_out",
      "to_k",
      "to_out",
      "to_q",
      "to_qkv_mlp_proj",
      "to_v",
      "transformer_blocks",
      "txt_attn",
      "txt_in",
      "txt_mlp",
      "txt_mod",
      "txt_norm",
      "up_proj",
      "v_img",
      "v_proj",
      "vace_blocks",
      "vector_in",
      "x_block",
      "x_embedder",
      "y_embedder",
  };
  return modules;
}

constexpr std::size_t max_words_of_a_module = 4;

// Replaces the underscores between modules by dots: "double_blocks_0_img_attn_qkv" becomes
// "double_blocks.0.img_attn.qkv".
std::string separate_modules(std::string_view path) {
  std::string separated;
  while (!path.empty()) {
    std::size_t length = std::min(path.find('_'), path.size());
    std::size_t end = length;
    for (std::size_t words = 1; words < max_words_of_a_module && end < path.size(); ++words) {
      end = std::min(path.find('_', end + 1), path.size());
      if (modules_with_underscores().count(path.substr(0, end)) != 0) {
        length = end;
      }
    }
    separated += separated.empty() ? "" : ".";
    separated += path.substr(0, length);
    path.remove_prefix(std::min(length + 1, path.size()));
  }
  return separated;
}

// Converts the names of kohya's tools, whose only dots are before the factor. The library does this
// for UNets and text encoders, and for those transformers whose modules it knows.
void convert_underscores(std::string& name, SDVersion version) {
  constexpr std::array<std::string_view, 3> prefixes = {"lora_unet_", "lora_transformer_",
                                                        "lycoris_"};
  for (const std::string_view prefix : prefixes) {
    if (!remove_prefix(name, prefix)) {
      continue;
    }
    if (sd_version_is_unet(version)) {
      name.insert(0, "lora_unet_");
    } else {
      const std::size_t end = std::min(name.find('.'), name.size());
      name = "transformer." + separate_modules(std::string_view(name).substr(0, end)) +
             name.substr(end);
    }
    return;
  }
}

// Adds the component to names that have none.
void add_component(std::string& name, SDVersion version) {
  constexpr std::array<std::string_view, 17> components = {"cond_stage_model.",
                                                           "conditioner.",
                                                           "diffusion_model.",
                                                           "first_stage_model.",
                                                           "lora_te",
                                                           "lora_unet_",
                                                           "lora_vae_",
                                                           "model.diffusion_model.",
                                                           "model.high_noise_",
                                                           "te.",
                                                           "te1.",
                                                           "te2.",
                                                           "te3.",
                                                           "text_encoder",
                                                           "transformer.",
                                                           "unet.",
                                                           "vae."};
  const bool has_component =
      std::any_of(components.begin(), components.end(),
                  [&](std::string_view component) { return starts_with(name, component); });
  if (has_component) {
    return;
  }
  if (starts_with(name, "text_model.")) {
    name.insert(0, "text_encoder.");
  } else {
    name.insert(0, sd_version_is_unet(version) ? "unet." : "transformer.");
  }
}

// Converts diffusers' names of text encoders, which it numbers in the order of the pipeline.
void convert_encoders(std::string& name, SDVersion version) {
  const bool is_flux = sd_version_is_flux(version);
  const std::array<Replacement, 3> encoders = {{
      {"text_encoder_3.", "te3."},
      {"text_encoder_2.", is_flux ? "te3." : "te2."},
      {"text_encoder.", "te1."},
  }};
  replace_prefix(name, encoders);
}

// Modules of FLUX.2 in diffusers' naming, where the library knows only those of FLUX.1.
constexpr std::array<Replacement, 7> flux2_modules = {{
    {"time_guidance_embed.timestep_embedder.linear_1.", "time_in.in_layer."},
    {"time_guidance_embed.timestep_embedder.linear_2.", "time_in.out_layer."},
    {"time_guidance_embed.guidance_embedder.linear_1.", "guidance_in.in_layer."},
    {"time_guidance_embed.guidance_embedder.linear_2.", "guidance_in.out_layer."},
    {"double_stream_modulation_img.linear.", "double_stream_modulation_img.lin."},
    {"double_stream_modulation_txt.linear.", "double_stream_modulation_txt.lin."},
    {"single_stream_modulation.linear.", "single_stream_modulation.lin."},
}};
constexpr std::array<Replacement, 4> flux2_double_blocks = {{
    {"ff.linear_in.", "img_mlp.0."},
    {"ff.linear_out.", "img_mlp.2."},
    {"ff_context.linear_in.", "txt_mlp.0."},
    {"ff_context.linear_out.", "txt_mlp.2."},
}};
constexpr std::array<Replacement, 2> flux2_single_blocks = {{
    {"attn.to_qkv_mlp_proj.", "linear1."},
    {"attn.to_out.", "linear2."},
}};

// Replaces "blocks.N.module." by "library_blocks.N.library_module.".
template <std::size_t count>
bool replace_block(std::string& name, const Replacement& blocks,
                   const std::array<Replacement, count>& modules) {
  if (!starts_with(name, blocks.old_text)) {
    return false;
  }
  const std::size_t end_of_number = name.find('.', blocks.old_text.size());
  if (end_of_number == std::string::npos) {
    return false;
  }
  std::string module = name.substr(end_of_number + 1);
  if (!replace_prefix(module, modules)) {
    return false;
  }
  name = std::string(blocks.new_text) +
         name.substr(blocks.old_text.size(), end_of_number + 1 - blocks.old_text.size()) + module;
  return true;
}

void convert_flux2_modules(std::string& name) {
  constexpr Replacement double_blocks = {"transformer_blocks.", "double_blocks."};
  constexpr Replacement single_blocks = {"single_transformer_blocks.", "single_blocks."};
  replace_prefix(name, flux2_modules) || replace_block(name, double_blocks, flux2_double_blocks) ||
      replace_block(name, single_blocks, flux2_single_blocks);
}

void convert_transformer(std::string& name, SDVersion version) {
  constexpr std::array<Replacement, 3> prefixes = {
      {{"transformer.", ""}, {"model.diffusion_model.", ""}, {"diffusion_model.", ""}}};
  if (!replace_prefix(name, prefixes)) {
    return;
  }
  if (sd_version_is_flux2(version)) {
    convert_flux2_modules(name);
  }
  // Diffusers stores the two halves of this matrix in the other order. The library would add the
  // LoRA to the wrong halves, so it gets a name that no model has.
  constexpr std::array<Replacement, 1> swapped = {{{"norm_out.linear.", "norm_out.swapped."}}};
  if (sd_version_is_flux(version) || sd_version_is_flux2(version) || sd_version_is_sd3(version)) {
    replace_prefix(name, swapped);
  }
  name.insert(0, "diffusion_model.");
}

}  // namespace

std::string library_lora_name(std::string name, SDVersion version) {
  if (!remove_prefix(name, lora_prefix)) {
    return name;
  }
  constexpr std::array<Replacement, 3> raw_peft = {
      {{"base_model.model.", ""},
       {"unet.base_model.model.", "unet."},
       {"transformer.base_model.model.", "transformer."}}};
  replace_prefix(name, raw_peft);
  remove_adapter_name(name);
  convert_old_factor(name);
  convert_underscores(name, version);
  add_component(name, version);
  convert_encoders(name, version);
  if (sd_version_is_dit(version)) {
    convert_transformer(name, version);
  }
  return std::string(lora_prefix) + name;
}

std::string family_encoder_name(std::string name, SDVersion version) {
  constexpr std::array<Replacement, 2> sd3 = {{
      {"lora.cond_stage_model.1.", "lora.text_encoders.clip_g."},
      {"lora.cond_stage_model.", "lora.text_encoders.clip_l."},
  }};
  constexpr std::array<Replacement, 1> flux = {
      {{"lora.cond_stage_model.transformer.", "lora.text_encoders.clip_l.transformer."}}};
  if (sd_version_is_sd3(version)) {
    replace_prefix(name, sd3);
  } else if (sd_version_is_flux(version)) {
    replace_prefix(name, flux);
  }
  return name;
}

}  // namespace gpustack_draw
