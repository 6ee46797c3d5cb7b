// The library's unigram tokenizer as it is, which reads its JSON, under other names.

#define T5UniGramTokenizer LibraryUnigramTokenizer
#define MetaspacePreTokenizer LibraryMetaspacePreTokenizer
#define load_t5_tokenizer_json library_load_t5_tokenizer_json
#define load_umt5_tokenizer_json library_load_umt5_tokenizer_json
#include "tokenizers/t5_unigram_tokenizer.cpp"

std::unique_ptr<Tokenizer> library_unigram_tokenizer(bool is_umt5) {
  return std::make_unique<LibraryUnigramTokenizer>(is_umt5);
}
