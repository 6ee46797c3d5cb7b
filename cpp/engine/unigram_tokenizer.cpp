#include "unigram_tokenizer.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "tokenizers/vocab/vocab.h"
#include "unigram_tables.h"

#undef T5UniGramTokenizer

// The build renames the library's functions (cmake/EngineLibrary.cmake), so that the linker drops
// the JSON. The library's constructor reads no pieces from these.
std::string load_t5_tokenizer_json() { return "{}"; }
std::string load_umt5_tokenizer_json() { return "{}"; }

namespace gpustack_draw {
namespace {

constexpr const char* space_mark = "\xe2\x96\x81";  // U+2581

std::vector<std::pair<std::string, float>> scored_pieces(const UnigramTable& table) {
  std::vector<std::pair<std::string, float>> pieces;
  pieces.reserve(table.count);
  const char* text = reinterpret_cast<const char*>(table.pieces);
  for (std::size_t i = 0; i < table.count; ++i) {
    std::uint32_t bits = 0;
    for (std::size_t byte = 0; byte < sizeof bits; ++byte) {
      bits |= std::uint32_t{table.scores[byte * table.count + i]} << (8 * byte);
    }
    float score = 0;
    std::memcpy(&score, &bits, sizeof score);
    const std::string piece = text;
    text += piece.size() + 1;
    pieces.emplace_back(piece.empty() ? "<empty_token>" : piece, score);
  }
  return pieces;
}

}  // namespace

QuickUnigramTokenizer::QuickUnigramTokenizer(bool is_umt5) : T5UniGramTokenizer(is_umt5) {
  const UnigramTable& table = is_umt5 ? umt5_table : t5_table;
  status_ = OK;
  UNK_TOKEN_ID = table.unknown;
  replacement = space_mark;
  pre_tokenizer = MetaspacePreTokenizer(replacement, add_prefix_space);
  piece_score_pairs = scored_pieces(table);
  std::vector<std::pair<std::string, int>> pieces;
  pieces.reserve(piece_score_pairs.size());
  for (const auto& [piece, score] : piece_score_pairs) {
    pieces.emplace_back(piece, static_cast<int>(pieces.size()));
    min_score_ = std::min(min_score_, score);
    max_score_ = std::max(max_score_, score);
  }
  BuildTrie(&pieces);
}

}  // namespace gpustack_draw
