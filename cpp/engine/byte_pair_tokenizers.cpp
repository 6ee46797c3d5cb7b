#include "byte_pair_tokenizers.h"

#include <array>

#include "tokenizers/vocab/vocab.h"

#undef MistralTokenizer
#undef Qwen2Tokenizer

// The vocabulary of Mistral follows from its merges. The build renames the library's function
// (cmake/EngineLibrary.cmake), so that the linker drops its text, 1 MB of a wheel.
std::string load_mistral_vocab_json() { return "{}"; }

namespace gpustack_draw {
namespace {

BytePairs qwen2_pairs() {
  std::array<int, 256> byte_tokens{};
  int token = 0;
  for (const char byte : BytePairs::ordered_bytes()) {
    byte_tokens[static_cast<unsigned char>(byte)] = token++;
  }
  return {load_qwen2_merges(), byte_tokens, token};
}

BytePairs mistral_pairs() {
  std::array<int, 256> byte_tokens{};
  int token = 1000;  // behind the special ones
  for (int& byte_token : byte_tokens) {
    byte_token = token++;
  }
  return {load_mistral_merges(), byte_tokens, token};
}

}  // namespace

QuickQwen2Tokenizer::QuickQwen2Tokenizer() : BytePairTokenizer(qwen2_pairs(), 151'643, "\n") {}

QuickMistralTokenizer::QuickMistralTokenizer()
    : BytePairTokenizer(mistral_pairs(), 0, "\n", "{}") {}

}  // namespace gpustack_draw
