#include "engine/control_net_names.h"

#include <array>
#include <string_view>
#include <utility>

#include "engine/line_text.h"
#include "name_conversion.h"

std::string library_convert_tensor_name(std::string name, SDVersion version);

namespace gpustack_draw {
namespace {

bool take_prefix(std::string_view& text, std::string_view prefix) {
  if (text.substr(0, prefix.size()) != prefix) {
    return false;
  }
  text.remove_prefix(prefix.size());
  return true;
}

// Names of layers that a ControlNet shares with the UNet that it extends.
constexpr std::array<std::string_view, 4> unet_prefixes = {"conv_in.", "time_embedding.",
                                                           "down_blocks.", "mid_block."};

std::string convert_unet_name(const std::string& name) {
  constexpr std::string_view library_prefix = "model.diffusion_model.";
  std::string converted = library_convert_tensor_name("unet." + name, VERSION_SD1);
  std::string_view rest = converted;
  return take_prefix(rest, library_prefix) ? std::string(rest) : name;
}

// Splits "3.weight" into 3 and "weight"; returns false for other texts.
bool split_number(std::string_view text, int& number, std::string_view& rest) {
  const std::size_t dot = text.find('.');
  constexpr std::size_t most_digits = 4;
  if (dot == 0 || dot == std::string_view::npos || dot > most_digits ||
      text.substr(0, dot).find_first_not_of("0123456789") != std::string_view::npos) {
    return false;
  }
  number = leading_number(text.substr(0, dot));
  rest = text.substr(dot + 1);
  return true;
}

// The layers that encode the control picture: a convolution, then an activation that has no
// weights, and so on.
std::string convert_hint_name(std::string_view name, const std::string& original) {
  constexpr std::string_view prefix = "input_hint_block.";
  int number = 0;
  std::string_view rest = name;
  if (take_prefix(rest, "conv_in.")) {
    return std::string(prefix) + "0." + std::string(rest);
  }
  if (take_prefix(rest, "conv_out.")) {
    return std::string(prefix) + "14." + std::string(rest);
  }
  if (take_prefix(rest, "blocks.") && split_number(rest, number, rest)) {
    return std::string(prefix) + std::to_string(2 * (number + 1)) + '.' + std::string(rest);
  }
  return original;
}

}  // namespace

std::string convert_control_net_name(std::string name) {
  std::string_view rest = name;
  if (take_prefix(rest, "controlnet_cond_embedding.")) {
    return convert_hint_name(rest, name);
  }
  if (take_prefix(rest, "controlnet_mid_block.")) {
    return "middle_block_out.0." + std::string(rest);
  }
  int number = 0;
  if (take_prefix(rest, "controlnet_down_blocks.") && split_number(rest, number, rest)) {
    return "zero_convs." + std::to_string(number) + ".0." + std::string(rest);
  }
  for (const std::string_view prefix : unet_prefixes) {
    if (take_prefix(rest, prefix)) {
      return convert_unet_name(name);
    }
  }
  return name;
}

}  // namespace gpustack_draw
