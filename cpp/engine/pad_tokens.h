#pragma once

#include <cstddef>
#include <vector>

class Tokenizer;

namespace gpustack_draw {

/// Call the library's own Tokenizer::pad_tokens(), which the build renames.
void pad_tokens(Tokenizer& tokenizer, std::vector<int>& tokens, std::vector<float>* weights,
                std::vector<float>* mask, std::size_t min_length, std::size_t max_length,
                bool allow_overflow_expand);

}  // namespace gpustack_draw
