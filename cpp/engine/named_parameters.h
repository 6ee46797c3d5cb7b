#pragma once

#include "engine/engine.h"
#include "stable-diffusion.h"

namespace gpustack_draw {

/// Sets the paths of a model's files. The parameters refer to the strings of `files`.
///
/// @throws std::invalid_argument No file has that name.
void set_files(sd_ctx_params_t& params, const Files& files);

/// Sets numbers of the loading; a missing one keeps the library's default.
///
/// @throws std::invalid_argument No number has that name, or the value does not fit its type.
void set_numbers(sd_ctx_params_t& params, const Numbers& numbers);

/// Sets numbers of a picture; a missing one keeps the library's default.
///
/// @throws std::invalid_argument No number has that name, or the value does not fit its type.
void set_numbers(sd_img_gen_params_t& params, const Numbers& numbers);

/// Sets numbers of a video; a missing one keeps the library's default.
///
/// @throws std::invalid_argument No number has that name, or the value does not fit its type.
void set_numbers(sd_vid_gen_params_t& params, const Numbers& numbers);

}  // namespace gpustack_draw
