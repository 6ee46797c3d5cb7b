// Gives the library's text encoders the pieces of a prompt that the caller has parsed, and tokens
// whose chunks are complete.
//
// The build renames the library's parse_prompt_attention() and Tokenizer::pad_tokens()
// (cmake/EngineLibrary.cmake), so that their callers get the functions below. The library's own
// parser fails for the weight ".", keeps the backslash of "\)" and drops text such as ":30)".

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "engine/pad_tokens.h"
#include "engine/prompt.h"
#include "tokenizers/tokenizer.h"
#include "util.h"

namespace gpustack_draw {
namespace {

// The tokens of one text encoder, in whole chunks.
struct Chunks {
  Tokenizer* tokenizer;
  std::vector<int>* tokens;
  std::vector<float>* weights;
  std::size_t chunk_length;

  void append_empty_chunk() const {
    std::vector<int> empty;
    std::vector<float> empty_weights;
    pad_tokens(*tokenizer, empty, &empty_weights, nullptr, chunk_length, chunk_length, true);
    tokens->insert(tokens->end(), empty.begin(), empty.end());
    weights->insert(weights->end(), empty_weights.begin(), empty_weights.end());
  }
};

// The tokens of the prompt that is being parsed. Stable Diffusion 3 has three text encoders, which
// need different numbers of chunks for a long prompt, and reads as many of each as the longest has.
// The library keeps all of them in one function's variables, from its call of
// parse_prompt_attention() until the last text encoder's tokens are padded.
thread_local std::vector<Chunks> chunks_of_prompt;
thread_local bool has_break = false;  // a piece of it starts a chunk

// Fills chunks behind their end as the text encoder of Stable Diffusion 2 was trained. The library
// fills a chunk up to BREAK with more ends, which is right for all others: their padding is an end.
void pad_after_ends(const Tokenizer& tokenizer, std::vector<int>& tokens,
                    std::size_t chunk_length) {
  const auto length = static_cast<std::ptrdiff_t>(chunk_length);
  for (auto chunk = tokens.begin(); tokens.end() - chunk >= length; chunk += length) {
    const auto end = std::find(chunk, chunk + length, tokenizer.EOS_TOKEN_ID);
    if (end != chunk + length) {
      std::fill(end + 1, chunk + length, tokenizer.PAD_TOKEN_ID);
    }
  }
}

// Adds empty chunks until all text encoders with chunks of that length have the same number.
void complete_chunks(std::size_t chunk_length) {
  std::size_t longest = 0;
  for (const Chunks& chunks : chunks_of_prompt) {
    if (chunks.chunk_length == chunk_length) {
      longest = std::max(longest, chunks.tokens->size());
    }
  }
  for (const Chunks& chunks : chunks_of_prompt) {
    while (chunks.chunk_length == chunk_length && chunks.tokens->size() < longest) {
      chunks.append_empty_chunk();
    }
  }
}

}  // namespace
}  // namespace gpustack_draw

std::vector<std::pair<std::string, float>> parse_prompt_attention(const std::string& text) {
  gpustack_draw::chunks_of_prompt.clear();
  gpustack_draw::has_break = false;
  std::vector<std::pair<std::string, float>> pieces;
  for (gpustack_draw::PromptPiece& piece : gpustack_draw::read_library_text(text)) {
    if (piece.starts_chunk) {
      gpustack_draw::has_break = true;
      pieces.emplace_back("BREAK", -1.0F);  // as the library's own parser returns it
    }
    pieces.emplace_back(std::move(piece.text), piece.weight);
  }
  return pieces;
}

void Tokenizer::pad_tokens(std::vector<int>& tokens, std::vector<float>* weights,
                           std::vector<float>* mask, std::size_t min_length, std::size_t max_length,
                           bool allow_overflow_expand) {
  gpustack_draw::pad_tokens(*this, tokens, weights, mask, min_length, max_length,
                            allow_overflow_expand);
  const bool has_chunks = allow_overflow_expand && min_length > 0 && min_length == max_length;
  if (has_chunks && weights != nullptr && mask == nullptr) {
    if (gpustack_draw::has_break) {
      gpustack_draw::pad_after_ends(*this, tokens, min_length);
    }
    gpustack_draw::chunks_of_prompt.push_back({this, &tokens, weights, min_length});
    gpustack_draw::complete_chunks(min_length);
  }
}
