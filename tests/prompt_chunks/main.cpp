// Tokenizes a prompt as the text encoders of Stable Diffusion 3 do (src/conditioner.hpp), and reads
// each one's chunks as they do, up to the number of the longest. Prints the numbers of tokens
// before and after. Arguments: the tokens of each text encoder's words; or "break", for the tokens
// of a prompt with BREAK in the text encoder of Stable Diffusion 2, whose padding is 0.

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "engine/prompt.h"
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

// Words are 7, and the ends that the library adds in front of BREAK (src/conditioner.hpp) are -2.
void tokenize_break() {
  parse_prompt_attention(gpustack_draw::library_text({{"a cat"}, {"a dog", 1.0F, true}}));
  CountedTokens tokenizer(true, -2);
  std::vector<int> tokens(2, 7);
  tokens.resize(chunk_length - 2, -2);
  tokens.insert(tokens.end(), 3, 7);
  std::vector<float> weights(tokens.size(), 1.0F);
  tokenizer.pad_tokens(tokens, &weights, nullptr, chunk_length, chunk_length, true);
  for (const int token : tokens) {
    std::cout << token << ' ';
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && std::string(argv[1]) == "break") {
    tokenize_break();
    return 0;
  }
  std::vector<int> counts;
  for (int i = 1; i < argc; ++i) {
    counts.push_back(std::atoi(argv[i]));
  }
  tokenize(counts);
  std::reverse(counts.begin(), counts.end());  // a second prompt, such as the negative one
  tokenize(counts);
}
