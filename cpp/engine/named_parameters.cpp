// The library's parameters by name: a file or a number that Python passes is a row of these tables.

#include "engine/named_parameters.h"

#include <cmath>
#include <limits>
#include <stdexcept>
#include <type_traits>
#include <variant>

#include "ggml.h"

namespace gpustack_draw {
namespace {

using NumberPointer = std::variant<int*, float*, bool*, rng_type_t*, sd_cache_mode_t*, sd_type_t*>;

std::map<std::string, const char**> file_parameters(sd_ctx_params_t& params) {
  return {
      {"clip_g", &params.clip_g_path},
      {"clip_l", &params.clip_l_path},
      {"control_net", &params.control_net_path},
      {"diffusion_model", &params.diffusion_model_path},  // only the denoiser, instead of "model"
      {"llm", &params.llm_path},
      {"llm_vision", &params.llm_vision_path},  // with which `llm` looks at references
      {"model", &params.model_path},  // an all-in-one file, or a folder in diffusers layout
      {"t5xxl", &params.t5xxl_path},
      {"taesd", &params.taesd_path},  // a small decoder, used instead of the VAE
      {"vae", &params.vae_path},
  };
}

std::map<std::string, NumberPointer> number_parameters(sd_ctx_params_t& params) {
  return {
      {"circular_x", &params.circular_x},  // the right edge continues at the left one
      {"circular_y", &params.circular_y},
      {"diffusion_flash_attn", &params.diffusion_flash_attn},
      {"keep_clip_on_cpu", &params.keep_clip_on_cpu},
      {"keep_vae_on_cpu", &params.keep_vae_on_cpu},
      {"max_vram", &params.max_vram},  // GiB of the weights of a network on the GPU at a time
      {"offload_params_to_cpu", &params.offload_params_to_cpu},
      {"qwen_image_zero_cond_t", &params.qwen_image_zero_cond_t},  // Qwen-Image-Edit-2511
      {"rng", &params.rng_type},                                   // a generator of rng_type_t
      {"threads", &params.n_threads},
      {"weight_type", &params.wtype},  // that weights are converted to
  };
}

// The parameters of pictures and of videos have the same names.
template <typename Params>
std::map<std::string, NumberPointer> common_parameters(Params& params) {
  sd_sample_params_t& sample = params.sample_params;
  sd_tiling_params_t& tiling = params.vae_tiling_params;
  return {
      {"cache_chebyshev_share", &params.cache.spectrum_w},  // of spectrum's two predictions
      {"cache_mode", &params.cache.mode},                   // a step cache of sd_cache_mode_t
      {"cache_residual_threshold", &params.cache.residual_diff_threshold},  // of dbcache
      {"cache_reuse_threshold", &params.cache.reuse_threshold},  // of easycache and ucache
      {"cfg_scale", &sample.guidance.txt_cfg},
      {"clip_skip", &params.clip_skip},
      {"eta", &sample.eta},
      {"flow_shift", &sample.flow_shift},
      {"guidance", &sample.guidance.distilled_guidance},
      {"img_cfg_scale", &sample.guidance.img_cfg},
      {"sample_steps", &sample.sample_steps},
      {"skip_layer_end", &sample.guidance.slg.layer_end},
      {"skip_layer_start", &sample.guidance.slg.layer_start},
      {"slg_scale", &sample.guidance.slg.scale},
      {"strength", &params.strength},
      {"vae_tile_height", &tiling.tile_size_y},  // cells of the latent
      {"vae_tile_overlap", &tiling.target_overlap},
      {"vae_tile_width", &tiling.tile_size_x},
      {"vae_tiling", &tiling.enabled},
  };
}

std::map<std::string, NumberPointer> number_parameters(sd_img_gen_params_t& params) {
  auto parameters = common_parameters(params);
  parameters["control_strength"] = &params.control_strength;
  parameters["hires_height"] = &params.hires.target_height;
  parameters["hires_steps"] = &params.hires.steps;
  parameters["hires_strength"] = &params.hires.denoising_strength;
  parameters["hires_width"] = &params.hires.target_width;
  parameters["increase_ref_index"] = &params.increase_ref_index;  // FLUX.1, several references
  return parameters;
}

std::map<std::string, NumberPointer> number_parameters(sd_vid_gen_params_t& params) {
  return common_parameters(params);
}

template <typename Number>
bool fits(double value) {
  using Limits = std::numeric_limits<Number>;
  return !std::is_integral_v<Number> ||
         (value >= static_cast<double>(Limits::lowest()) &&
          value <= static_cast<double>(Limits::max()) && std::trunc(value) == value);
}

template <>
bool fits<rng_type_t>(double value) {
  return value >= 0 && value < RNG_TYPE_COUNT && std::trunc(value) == value;
}

template <>
bool fits<sd_cache_mode_t>(double value) {
  return value >= SD_CACHE_DISABLED && value <= SD_CACHE_SPECTRUM && std::trunc(value) == value;
}

// The library cannot convert to other types, or needs statistics of the model for it.
template <>
bool fits<sd_type_t>(double value) {
  if (value < 0 || value >= SD_TYPE_COUNT || std::trunc(value) != value) {
    return false;
  }
  const auto type = static_cast<ggml_type>(value);
  const bool is_stored =
      type == GGML_TYPE_F32 || (ggml_get_type_traits(type)->from_float_ref != nullptr &&
                                type != GGML_TYPE_Q8_1);  // of intermediate results
  return is_stored && !ggml_quantize_requires_imatrix(type);
}

template <typename Params>
void set_each_number(Params& params, const Numbers& numbers) {
  const std::map<std::string, NumberPointer> parameters = number_parameters(params);
  for (const auto& [name, value] : numbers) {
    const auto parameter = parameters.find(name);
    if (parameter == parameters.end()) {
      throw std::invalid_argument("no number named '" + name + "'");
    }
    const auto set = [&name = name, value = value](auto* target) {
      using Number = std::remove_pointer_t<decltype(target)>;
      if (!fits<Number>(value)) {
        throw std::invalid_argument(name + " cannot be " + std::to_string(value));
      }
      *target = static_cast<Number>(value);
    };
    std::visit(set, parameter->second);
  }
}

}  // namespace

void set_files(sd_ctx_params_t& params, const Files& files) {
  const std::map<std::string, const char**> parameters = file_parameters(params);
  for (const auto& [name, path] : files) {
    const auto parameter = parameters.find(name);
    if (parameter == parameters.end()) {
      throw std::invalid_argument("no file named '" + name + "'");
    }
    *parameter->second = path.c_str();
  }
}

void set_numbers(sd_ctx_params_t& params, const Numbers& numbers) {
  set_each_number(params, numbers);
}

void set_numbers(sd_img_gen_params_t& params, const Numbers& numbers) {
  set_each_number(params, numbers);
}

void set_numbers(sd_vid_gen_params_t& params, const Numbers& numbers) {
  set_each_number(params, numbers);
}

}  // namespace gpustack_draw
