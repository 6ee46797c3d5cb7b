// Tokenizes the prompts of T5 and UMT5.
//
// The library parses 2 or 9 MB of JSON for that at each load, and its text takes 4 MB of a wheel.
// The build includes this file in front of the library's stable-diffusion.cpp, where the macro at
// its end replaces its tokenizer by a derived one, which has the same tokens.

#pragma once

#include "tokenizers/t5_unigram_tokenizer.h"

namespace gpustack_draw {

/// The library's tokenizer with the pieces of a table.
class QuickUnigramTokenizer : public T5UniGramTokenizer {
 public:
  explicit QuickUnigramTokenizer(bool is_umt5 = false);
};

}  // namespace gpustack_draw

#define T5UniGramTokenizer gpustack_draw::QuickUnigramTokenizer
