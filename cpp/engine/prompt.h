#pragma once

#include <string>
#include <vector>

namespace gpustack_draw {

/// A piece of a prompt whose words the text encoders weight alike.
struct PromptPiece {
  std::string text;
  float weight = 1.0F;
  bool starts_chunk = false;  ///< Begins a new chunk of 75 tokens, in Stable Diffusion 1, 2 and XL.
};

using Prompt = std::vector<PromptPiece>;

/// Returns a prompt as the one text that the library passes on to its text encoders.
///
/// It is the text itself if nothing is weighted, and has counted pieces otherwise, so that no
/// character has a meaning.
std::string library_text(const Prompt& prompt);

/// Returns the pieces of a text from library_text(), to whose start the library may have added
/// plain text.
Prompt read_library_text(const std::string& text);

}  // namespace gpustack_draw
