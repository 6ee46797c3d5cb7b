// Vocabularies of unigram tokenizers, which the build packs (cmake/pack_vocabularies.py).

#pragma once

#include <cstddef>

namespace gpustack_draw {

/// Pieces of text with a zero byte behind each, and their scores as the first bytes of all 32-bit
/// numbers (little-endian), then the second ones and so on.
struct UnigramTable {
  const unsigned char* pieces;
  const unsigned char* scores;
  std::size_t count;
  int unknown;  ///< The token of text that has no piece.
};

extern const UnigramTable t5_table;
extern const UnigramTable umt5_table;

}  // namespace gpustack_draw
