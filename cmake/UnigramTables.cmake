# Packs the vocabularies of the library's unigram tokenizers. Sets unigram_tables, a source of C++.

set(unigram_tables "${CMAKE_CURRENT_BINARY_DIR}/unigram_tables.cpp")
add_custom_command(
  OUTPUT "${unigram_tables}"
  COMMAND "${Python_EXECUTABLE}" -B "${CMAKE_CURRENT_LIST_DIR}/pack_vocabularies.py" "${ENGINE_SOURCE_DIR}"
          "${unigram_tables}"
  DEPENDS "${CMAKE_CURRENT_LIST_DIR}/pack_vocabularies.py"
  VERBATIM)
