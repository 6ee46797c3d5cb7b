#pragma once

#include <string>

#include "model.h"

namespace gpustack_draw {

/// Rewrites the name of a LoRA's tensor to a form that the library's convert_tensor_name() knows.
///
/// The library knows the names of kohya's tools for UNets and FLUX.1, of diffusers for models
/// before FLUX.2, and those of ComfyUI. This adds raw PEFT, FLUX.2 in diffusers' naming, kohya's
/// names for all transformers, those of OneTrainer and SimpleTuner, and names without a component.
///
/// @param name Name with the library's prefix "lora.".
std::string library_lora_name(std::string name, SDVersion version);

/// Moves the name of a text encoder's tensor, converted by the library, to the family's encoder.
///
/// The library uses the names of UNets for all families.
std::string family_encoder_name(std::string name, SDVersion version);

}  // namespace gpustack_draw
