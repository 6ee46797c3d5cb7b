#include "engine/prompt.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <sstream>
#include <utility>

namespace gpustack_draw {
namespace {

constexpr char piece_mark = '\x01';

bool is_plain(const Prompt& prompt) {
  return prompt.empty() ||
         (prompt.size() == 1 && prompt[0].weight == 1.0F && !prompt[0].starts_chunk &&
          prompt[0].text.find(piece_mark) == std::string::npos);
}

// The bits of a weight, because its decimal digits depend on the locale and are not exact.
std::uint32_t bits_of(float weight) {
  std::uint32_t bits = 0;
  std::memcpy(&bits, &weight, sizeof bits);
  return bits;
}

float weight_of(std::uint32_t bits) {
  float weight = 0.0F;
  std::memcpy(&weight, &bits, sizeof weight);
  return weight;
}

// Adds a piece, or continues the last one with it: the encoders read words that touch as one.
void append(Prompt& prompt, PromptPiece piece) {
  if (!prompt.empty() && prompt.back().weight == piece.weight && !piece.starts_chunk) {
    prompt.back().text += piece.text;
  } else {
    prompt.push_back(std::move(piece));
  }
}

}  // namespace

std::string library_text(const Prompt& prompt) {
  if (is_plain(prompt)) {
    return prompt.empty() ? "" : prompt[0].text;
  }
  std::ostringstream text;
  text.imbue(std::locale::classic());
  for (const PromptPiece& piece : prompt) {
    text << piece_mark << piece.starts_chunk << ' ' << bits_of(piece.weight) << ' '
         << piece.text.size() << ' ' << piece.text;
  }
  return text.str();
}

Prompt read_library_text(const std::string& text) {
  Prompt prompt;
  const std::size_t start = text.find(piece_mark);
  if (start != 0) {
    prompt.push_back({text.substr(0, start)});
  }
  if (start == std::string::npos) {
    return prompt;
  }
  std::istringstream rest(text.substr(start));
  rest.imbue(std::locale::classic());
  while (rest.get() == piece_mark) {
    PromptPiece piece;
    std::uint32_t bits = 0;
    std::size_t size = 0;
    rest >> piece.starts_chunk >> bits >> size;
    rest.ignore(1);
    piece.weight = weight_of(bits);
    piece.text.resize(size);
    rest.read(piece.text.data(), static_cast<std::streamsize>(size));
    append(prompt, std::move(piece));
  }
  return prompt;
}

}  // namespace gpustack_draw
