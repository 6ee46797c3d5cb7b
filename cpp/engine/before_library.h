// Files with macros that replace parts of the library's headers, and therefore come before them.

#pragma once

#ifdef __CONDITIONER_HPP__
#error "include before_library.h in front of the library's conditioner.hpp"
#endif

#include "byte_pair_tokenizers.h"
#include "library_attention.h"
#include "unigram_tokenizer.h"
