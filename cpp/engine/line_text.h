#pragma once

#include <charconv>
#include <string_view>

namespace gpustack_draw {

/// Returns a line of the library's log without its place in the source:
/// "stable-diffusion.cpp:3168 - get_learned_condition completed".
inline std::string_view line_text(std::string_view line) noexcept {
  constexpr std::string_view separator = " - ";
  const std::size_t found = line.find(separator);
  return found == std::string_view::npos ? line : line.substr(found + separator.size());
}

inline bool starts_with(std::string_view text, std::string_view beginning) noexcept {
  return text.substr(0, beginning.size()) == beginning;
}

/// Returns the decimal number that a text begins with, or 0.
inline int leading_number(std::string_view text) noexcept {
  int number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

}  // namespace gpustack_draw
