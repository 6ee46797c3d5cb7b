#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace gpustack_draw {

/// A hash table of indices of a vector, in less time and memory than one with a node for each.
class IndexTable {
 public:
  explicit IndexTable(std::size_t count);

  /// Returns the slot of the index that matches, or an empty one, which is -1.
  ///
  /// @param matches Returns true for the wanted index.
  template <typename Matches>
  int& slot(std::size_t hash, const Matches& matches) {
    return slots_[position(hash, matches)];
  }
  template <typename Matches>
  int find(std::size_t hash, const Matches& matches) const {
    return slots_[position(hash, matches)];
  }

 private:
  template <typename Matches>
  std::size_t position(std::size_t hash, const Matches& matches) const {
    const std::size_t mask = slots_.size() - 1;
    std::size_t i = hash & mask;
    while (slots_[i] >= 0 && !matches(slots_[i])) {
      i = (i + 1) & mask;
    }
    return i;
  }

  std::vector<int> slots_;  // a power of two, at least half of them empty
};

/// Splits words into tokens by byte-pair encoding: starts with bytes, and joins the pair of tokens
/// that is first in a list of merges until no pair in a word is in the list.
class BytePairs {
 public:
  /// @param merges A line "left right" for each pair, the most important one first. Printable
  ///     characters of Latin-1 stand for their own byte, those from U+0100 on for the other bytes.
  /// @param byte_tokens The tokens of bytes.
  /// @param next_token The first token that joins others, in the order of the merges. Merges with
  ///     equal results have the same token.
  BytePairs(const std::string& merges, const std::array<int, 256>& byte_tokens, int next_token);

  /// Appends the tokens of a word.
  void append_tokens(std::string_view word, std::vector<int>& tokens) const;

  /// Returns the bytes that characters stand for, in the order of the characters.
  static std::array<char, 256> ordered_bytes();

 private:
  struct Merge {
    int left;
    int right;
    int token;
  };

  std::vector<Merge> merges_;
  IndexTable indices_;  // of merges, by their pairs
  std::array<int, 256> byte_tokens_;
};

}  // namespace gpustack_draw
