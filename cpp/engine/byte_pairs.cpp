#include "engine/byte_pairs.h"

#include <algorithm>
#include <functional>
#include <stdexcept>

namespace gpustack_draw {
namespace {

std::size_t hash_of(int left, int right) {
  const auto high = static_cast<std::size_t>(left) * 0x9e3779b1U;
  return (high + static_cast<std::size_t>(right)) * 0x85ebca6bU >> 8;
}

// Returns true for bytes with a character of their own.
bool is_printable(char byte) {
  const auto code = static_cast<unsigned char>(byte);
  return (code >= '!' && code <= '~') || (code >= 0xa1 && code != 0xad);
}

// The bytes that characters in merges stand for, by their code points.
std::array<char, 0x180> bytes_of_characters() {
  std::array<char, 0x180> bytes{};
  std::size_t other = 0x100;
  for (const char byte : BytePairs::ordered_bytes()) {
    bytes[is_printable(byte) ? static_cast<unsigned char>(byte) : other++] = byte;
  }
  return bytes;
}

// A line of merges.
struct Line {
  std::string_view joined;
  std::size_t left_size;
};

// Appends the bytes of merges to a text, and returns the lines, which refer to it.
std::vector<Line> lines_of(const std::string& merges, std::string& text) {
  const std::array<char, 0x180> bytes = bytes_of_characters();
  text.reserve(text.size() + merges.size());
  std::vector<Line> lines;
  std::size_t begin = text.size();
  std::size_t middle = begin;
  for (std::size_t i = 0; i < merges.size(); ++i) {
    const auto character = static_cast<unsigned char>(merges[i]);
    if (character == '\n') {
      lines.push_back({std::string_view(text).substr(begin), middle - begin});
      begin = text.size();
    } else if (character == ' ') {
      middle = text.size();
    } else if (character < 0x80) {
      text += bytes[character];
    } else {  // two bytes of UTF-8
      const auto second = static_cast<unsigned char>(merges.at(++i));
      text += bytes.at(static_cast<std::size_t>((character & 0x1f) << 6 | (second & 0x3f)));
    }
  }
  return lines;
}

// Tokens by their bytes.
class Vocabulary {
 public:
  explicit Vocabulary(std::size_t count) : indices_(count) { all_.reserve(count); }

  // Returns the token of the bytes, which is a new one if they have none.
  int add(std::string_view bytes, int token) {
    int& index = indices_.slot(hash(bytes), [&](int i) { return at(i).bytes == bytes; });
    if (index < 0) {
      index = static_cast<int>(all_.size());
      all_.push_back({bytes, token});
    }
    return at(index).token;
  }

  int find(std::string_view bytes) const {
    const int index = indices_.find(hash(bytes), [&](int i) { return at(i).bytes == bytes; });
    if (index < 0) {
      throw std::invalid_argument("a merge of the tokenizer joins unknown tokens");
    }
    return at(index).token;
  }

 private:
  struct Entry {
    std::string_view bytes;
    int token;
  };

  static std::size_t hash(std::string_view bytes) { return std::hash<std::string_view>()(bytes); }
  const Entry& at(int index) const { return all_[static_cast<std::size_t>(index)]; }

  IndexTable indices_;
  std::vector<Entry> all_;
};

}  // namespace

IndexTable::IndexTable(std::size_t count) {
  std::size_t size = 1;
  while (size < 2 * count) {
    size *= 2;
  }
  slots_.assign(size, -1);
}

std::array<char, 256> BytePairs::ordered_bytes() {
  std::array<char, 256> bytes{};
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<char>(i);
  }
  std::stable_partition(bytes.begin(), bytes.end(), is_printable);
  return bytes;
}

BytePairs::BytePairs(const std::string& merges, const std::array<int, 256>& byte_tokens,
                     int next_token)
    : indices_(static_cast<std::size_t>(std::count(merges.begin(), merges.end(), '\n'))),
      byte_tokens_(byte_tokens) {
  std::string text;
  const std::vector<Line> lines = lines_of(merges, text);
  Vocabulary vocabulary(lines.size() + byte_tokens.size());
  const std::array<char, 256> bytes = ordered_bytes();
  for (const char& byte : bytes) {
    vocabulary.add({&byte, 1}, byte_tokens[static_cast<unsigned char>(byte)]);
  }
  merges_.reserve(lines.size());
  for (const Line& line : lines) {
    const int token = vocabulary.add(line.joined, next_token);
    next_token = std::max(next_token, token + 1);
    merges_.push_back({0, 0, token});
  }
  for (std::size_t i = 0; i < lines.size(); ++i) {
    Merge& merge = merges_[i];
    merge.left = vocabulary.find(lines[i].joined.substr(0, lines[i].left_size));
    merge.right = vocabulary.find(lines[i].joined.substr(lines[i].left_size));
    indices_.slot(hash_of(merge.left, merge.right), [](int) { return false; }) =
        static_cast<int>(i);
  }
}

void BytePairs::append_tokens(std::string_view word, std::vector<int>& tokens) const {
  const auto merge_at = [&](int index) -> const Merge& {
    return merges_[static_cast<std::size_t>(index)];
  };
  std::vector<int> parts;
  for (const char byte : word) {
    parts.push_back(byte_tokens_[static_cast<unsigned char>(byte)]);
  }
  while (true) {
    int first = -1;
    for (std::size_t i = 1; i < parts.size(); ++i) {
      const int index = indices_.find(hash_of(parts[i - 1], parts[i]), [&](int found) {
        return merge_at(found).left == parts[i - 1] && merge_at(found).right == parts[i];
      });
      first = index >= 0 && (first < 0 || index < first) ? index : first;
    }
    if (first < 0) {
      tokens.insert(tokens.end(), parts.begin(), parts.end());
      return;
    }
    std::size_t count = 0;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      const bool is_pair = i + 1 < parts.size() && parts[i] == merge_at(first).left &&
                           parts[i + 1] == merge_at(first).right;
      parts[count++] = is_pair ? merge_at(first).token : parts[i];
      i += is_pair ? 1 : 0;
    }
    parts.resize(count);
  }
}

}  // namespace gpustack_draw
