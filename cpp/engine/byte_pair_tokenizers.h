// Tokenizes the prompts of language models.
//
// The library fills three maps with all strings of a vocabulary, which takes 0.3 s, most of the
// time of loading a model that is mapped. The build includes this file in front of the library's
// stable-diffusion.cpp, where the macros at its end replace its tokenizers by derived ones, which
// have the same tokens.

#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "byte_pairs.h"
#include "tokenizers/mistral_tokenizer.h"
#include "tokenizers/qwen2_tokenizer.h"
#include "tokenizers/tokenize_util.h"

namespace gpustack_draw {

/// A tokenizer of the library without its maps.
template <typename Library>
class BytePairTokenizer : public Library {
 public:
  std::vector<int> encode(const std::string& text, on_new_token_cb_t /*unused*/) override {
    const std::vector<std::string>& special = this->special_tokens;
    std::vector<int> tokens;
    for (const std::string& part : split_with_special_tokens(text, special)) {
      const auto found = std::find(special.begin(), special.end(), part);
      if (found != special.end()) {
        tokens.push_back(first_special_ + static_cast<int>(found - special.begin()));
        continue;
      }
      for (const std::string& word : this->token_split(part)) {
        pairs_.append_tokens(word, tokens);
      }
    }
    return tokens;
  }

 protected:
  // The library's constructors fill the maps, with one empty merge instead of the embedded ones.
  template <typename... Texts>
  BytePairTokenizer(BytePairs pairs, int first_special, const Texts&... texts)
      : Library(texts...), pairs_(std::move(pairs)), first_special_(first_special) {}

 private:
  BytePairs pairs_;
  int first_special_;
};

/// The tokenizer of Qwen2 and Qwen3.
class QuickQwen2Tokenizer : public BytePairTokenizer<Qwen2Tokenizer> {
 public:
  QuickQwen2Tokenizer();
};

/// The tokenizer of Mistral Small 3 and Ministral 3.
class QuickMistralTokenizer : public BytePairTokenizer<MistralTokenizer> {
 public:
  QuickMistralTokenizer();
};

}  // namespace gpustack_draw

#define MistralTokenizer gpustack_draw::QuickMistralTokenizer
#define Qwen2Tokenizer gpustack_draw::QuickQwen2Tokenizer
