// Tokenizes a prompt as the text encoders of Stable Diffusion 3 do (src/conditioner.hpp), and reads
// each one's chunks as they do, up to the number of the longest. Prints the numbers of tokens
// before and after. Arguments: the tokens of each text encoder's words.

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "tokenizers/tokenizer.h"
#include "util.h"

// The functions of src/util.cpp that the tokenizer needs, but not for this.
void log_printf(sd_log_level_t, const char*, int, const char*, ...) {}
bool ends_with(const std::string&, const std::string&) { return false; }
std::string trim(const std::string& text) { return text; }

namespace {

constexpr std::size_t chunk_length = 77;

// Tokens are counted, not computed from words.
class CountedTokens : public Tokenizer {
 public:
  CountedTokens(bool begins, int end) {
    add_bos_token = begins;
    add_eos_token = true;
    BOS_TOKEN_ID = -1;
    EOS_TOKEN_ID = end;
  }

  std::vector<int> encode(const std::string&, on_new_token_cb_t) override { return {}; }

 protected:
  std::string decode_token(int) const override { return ""; }
};

struct TextEncoder {
  CountedTokens tokenizer;
  std::vector<int> tokens;
  std::vector<float> weights;
};

void tokenize(const std::vector<int>& counts) {
  parse_prompt_attention("a prompt");
  std::vector<TextEncoder> encoders;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const auto count = static_cast<std::size_t>(counts[i]);
    encoders.push_back({CountedTokens(i < 2, -2), std::vector<int>(count, 7),
                        std::vector<float>(count, 1.5F)});  // the third is T5, which has no begin
  }
  std::size_t longest = 0;
  for (TextEncoder& encoder : encoders) {
    encoder.tokenizer.pad_tokens(encoder.tokens, &encoder.weights, nullptr, chunk_length,
                                 chunk_length, true);
  }
  for (const TextEncoder& encoder : encoders) {
    longest = std::max(longest, encoder.tokens.size());
    std::cout << encoder.tokens.size() << ' ';
  }
  int words = 0;
  float weight = 0.0F;
  for (std::size_t chunk = 0; chunk < longest / chunk_length; ++chunk) {
    for (const TextEncoder& encoder : encoders) {
      const auto begin = static_cast<std::ptrdiff_t>(chunk * chunk_length);
      const auto end = begin + static_cast<std::ptrdiff_t>(chunk_length);
      const std::vector<int> tokens(encoder.tokens.begin() + begin, encoder.tokens.begin() + end);
      const std::vector<float> weights(encoder.weights.begin() + begin,
                                       encoder.weights.begin() + end);
      words += static_cast<int>(std::count(tokens.begin(), tokens.end(), 7));
      weight = std::max(weight, *std::max_element(weights.begin(), weights.end()));
    }
  }
  std::cout << "words " << words << " weight " << weight << '\n';
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<int> counts;
  for (int i = 1; i < argc; ++i) {
    counts.push_back(std::atoi(argv[i]));
  }
  tokenize(counts);
  std::reverse(counts.begin(), counts.end());  // a second prompt, such as the negative one
  tokenize(counts);
}
