// Calls the library's function by its new name (cmake/EngineLibrary.cmake). This is a separate file
// because the class declares either name, and prompt_hooks.cpp defines the old one.

#include "engine/pad_tokens.h"

#define pad_tokens library_pad_tokens
#include "tokenizers/tokenizer.h"
#undef pad_tokens

namespace gpustack_draw {

void pad_tokens(Tokenizer& tokenizer, std::vector<int>& tokens, std::vector<float>* weights,
                std::vector<float>* mask, std::size_t min_length, std::size_t max_length,
                bool allow_overflow_expand) {
  tokenizer.library_pad_tokens(tokens, weights, mask, min_length, max_length,
                               allow_overflow_expand);
}

}  // namespace gpustack_draw
