// The files whose macros replace parts of the library's headers, in front of which they belong.

#pragma once

#ifdef __CONDITIONER_HPP__
#error "include before_library.h in front of the library's conditioner.hpp"
#endif

#include "attention_keys.h"
#include "byte_pair_tokenizers.h"
#include "unigram_tokenizer.h"
