// Tokenizes the texts in standard input, which end with a zero byte each, with the library's
// tokenizers of text encoders and with this project's. Prints the number of tokens of each
// vocabulary, or the first text whose tokens differ.

#include <codecvt>
#include <cstdlib>
#include <iostream>
#include <locale>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "engine/byte_pair_tokenizers.h"
#include "engine/unigram_tokenizer.h"
#include "tokenizers/vocab/clip_t5.hpp"
#include "tokenizers/vocab/mistral.hpp"
#include "tokenizers/vocab/qwen.hpp"
#include "tokenizers/vocab/umt5.hpp"
#include "tokenizers/vocab/vocab.h"
#include "util.h"
#undef MistralTokenizer
#undef Qwen2Tokenizer

using Utf8 = std::wstring_convert<std::codecvt_utf8<char32_t>, char32_t>;

// The tokenizers link with these functions of ggml and src/util.cpp; only the last three matter
// here.
extern "C" void ggml_abort(const char*, int, const char*, ...) { std::abort(); }
void log_printf(sd_log_level_t, const char*, int, const char*, ...) {}
bool ends_with(const std::string&, const std::string&) { return false; }
std::string trim(const std::string& text) { return text; }
std::u32string utf8_to_utf32(const std::string& text) { return Utf8().from_bytes(text); }
std::string utf32_to_utf8(const std::u32string& text) { return Utf8().to_bytes(text); }
std::u32string unicode_value_to_utf32(int code) { return {static_cast<char32_t>(code)}; }

namespace {

template <std::size_t size>
std::string text_of(const unsigned char (&bytes)[size]) {
  return {reinterpret_cast<const char*>(bytes), size};
}

bool compare(Tokenizer& expected, Tokenizer& actual, const std::vector<std::string>& texts) {
  std::size_t count = 0;
  for (const std::string& text : texts) {
    const std::vector<int> tokens = expected.encode(text);
    if (actual.encode(text) != tokens) {
      std::cout << "different tokens: " << text << '\n';
      return false;
    }
    count += tokens.size();
  }
  std::cout << count << '\n';
  return true;
}

}  // namespace

std::string load_mistral_merges() { return text_of(mistral_merges_utf8_c_str); }
std::string library_load_mistral_vocab_json() { return text_of(mistral_vocab_json_utf8_c_str); }
std::string library_load_t5_tokenizer_json() { return text_of(t5_tokenizer_json_str); }
std::string library_load_umt5_tokenizer_json() { return text_of(umt5_tokenizer_json_str); }
std::string load_qwen2_merges() { return text_of(qwen2_merges_utf8_c_str); }

std::unique_ptr<Tokenizer> library_unigram_tokenizer(bool is_umt5);  // library_unigram.cpp

int main() {
  std::stringstream input;
  input << std::cin.rdbuf();
  std::vector<std::string> texts;
  for (std::string text; std::getline(input, text, '\0');) {
    texts.push_back(text);
  }
  Qwen2Tokenizer qwen;
  gpustack_draw::QuickQwen2Tokenizer quick_qwen;
  MistralTokenizer mistral;
  gpustack_draw::QuickMistralTokenizer quick_mistral;
  bool equal = compare(qwen, quick_qwen, texts) && compare(mistral, quick_mistral, texts);
  for (const bool is_umt5 : {false, true}) {
    gpustack_draw::QuickUnigramTokenizer quick(is_umt5);
    equal = equal && compare(*library_unigram_tokenizer(is_umt5), quick, texts);
  }
  return equal ? 0 : 1;
}
