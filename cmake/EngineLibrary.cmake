# The engine's library as one target, engine_library, and its licenses.
#
# The library's own options select accelerators: SD_CUDA, SD_HIPBLAS, SD_METAL, SD_VULKAN.

if(GPUSTACK_DRAW_STAND_IN)
  add_library(engine_library STATIC tests/stand_in/library.cpp)
  target_include_directories(engine_library PRIVATE cpp)
  target_include_directories(engine_library SYSTEM PUBLIC "${ENGINE_SOURCE_DIR}/include"
                                                          "${ENGINE_SOURCE_DIR}/ggml/include")
  target_link_libraries(engine_library PRIVATE gpustack_draw_warnings)
else()
  set(SD_BUILD_EXAMPLES OFF CACHE BOOL "" FORCE)
  set(SD_WEBP OFF CACHE BOOL "" FORCE)
  set(SD_WEBM OFF CACHE BOOL "" FORCE)
  # The library asks git for its commit. In a folder of this repository, git would name this project's.
  if(NOT EXISTS "${ENGINE_SOURCE_DIR}/.git")
    set(GIT_EXE "" CACHE FILEPATH "" FORCE)
    set(SDCPP_BUILD_COMMIT "${engine_commit}")
  endif()
  # ggml turns these off with GGML_NATIVE where SOURCE_DATE_EPOCH is set, as in reproducible builds.
  if(DEFINED GGML_NATIVE AND NOT GGML_NATIVE)
    foreach(instructions IN ITEMS SSE42 AVX AVX2 FMA F16C BMI2)
      set(GGML_${instructions} ON CACHE BOOL "")
    endforeach()
  endif()
  set(GGML_LLAMAFILE ON CACHE BOOL "faster matrix products on CPUs: a step took half the time")
  add_subdirectory("${ENGINE_SOURCE_DIR}" stable-diffusion EXCLUDE_FROM_ALL SYSTEM)
  add_library(engine_library INTERFACE)
  target_link_libraries(engine_library INTERFACE stable-diffusion)
  if(SD_VULKAN)
    list_missing_shaders(missing_shaders)
    target_compile_definitions(engine_library INTERFACE GPUSTACK_DRAW_MISSING_SHADERS="${missing_shaders}")
  endif()
  # The functions in the files named below replace the library's, and call those by their new names.
  function(rename_in source definition)
    set_source_files_properties("${ENGINE_SOURCE_DIR}/src/${source}" TARGET_DIRECTORY
                                stable-diffusion PROPERTIES COMPILE_DEFINITIONS "${definition}")
  endfunction()
  # cpp/engine/tensor_name_aliases.cpp
  rename_in(name_conversion.cpp convert_tensor_name=library_convert_tensor_name)
  # cpp/engine/standalone_unet.cpp
  rename_in(model_io/gguf_io.cpp read_gguf_file=library_read_gguf_file)
  rename_in(model_io/safetensors_io.cpp read_safetensors_file=library_read_safetensors_file)
  # cpp/engine/checked_weights.cpp and cpp/engine/load_weights.cpp
  rename_in(model.cpp "load_tensors=library_load_tensors;nanosleep=gpustack_draw_nanosleep")
  # cpp/engine/prompt_hooks.cpp
  rename_in(util.cpp parse_prompt_attention=library_parse_prompt_attention)
  rename_in(tokenizers/tokenizer.cpp pad_tokens=library_pad_tokens)
  # cpp/engine/byte_pair_tokenizers.cpp and cpp/engine/unigram_tokenizer.cpp. Tables have sections of their
  # own, so that the linker drops those not used.
  rename_in(tokenizers/vocab/vocab.cpp
            "load_mistral_vocab_json=library_load_mistral_vocab_json;\
load_t5_tokenizer_json=library_load_t5_tokenizer_json;load_umt5_tokenizer_json=library_load_umt5_tokenizer_json")
  set_property(
    SOURCE "${ENGINE_SOURCE_DIR}/src/tokenizers/vocab/vocab.cpp" TARGET_DIRECTORY stable-diffusion
    PROPERTY COMPILE_OPTIONS "$<IF:$<CXX_COMPILER_ID:MSVC>,/Gy;/Gw,-ffunction-sections;-fdata-sections>")
  # cpp/engine/checked_results.cpp and cpp/engine/checked_memory.cpp
  set(graph_functions
      ggml_backend_graph_compute=gpustack_draw_graph_compute
      ggml_backend_tensor_get=gpustack_draw_tensor_get
      ggml_backend_alloc_ctx_tensors=gpustack_draw_alloc_ctx_tensors
      ggml_gallocr_reserve=gpustack_draw_gallocr_reserve
      ggml_gallocr_alloc_graph=gpustack_draw_gallocr_alloc_graph)
  # cpp/engine/fused_loras.cpp and cpp/engine/library_attention.cpp
  rename_in(stable-diffusion.cpp "${graph_functions};ggml_add_inplace=gpustack_draw_add_inplace;\
ggml_view_3d=gpustack_draw_view_3d")
  rename_in(upscaler.cpp "${graph_functions}")
  # Some classes are replaced by derived ones.
  set_property(
    SOURCE "${ENGINE_SOURCE_DIR}/src/stable-diffusion.cpp" TARGET_DIRECTORY stable-diffusion
    PROPERTY COMPILE_OPTIONS "$<IF:$<CXX_COMPILER_ID:MSVC>,/FI,-include>"
             "${CMAKE_CURRENT_SOURCE_DIR}/cpp/engine/replaced_classes.h")
endif()
# The library is built with this definition; without it, ggml's headers define other struct sizes.
target_compile_definitions(engine_library INTERFACE GGML_MAX_NAME=${ENGINE_MAX_NAME})

# Licenses of all code in the extension, installed with it. Header-only projects have theirs at the
# top of the header, which is copied.
set(licenses_dir "${CMAKE_BINARY_DIR}/licenses")
function(copy_license name source)
  file(COPY_FILE "${source}" "${licenses_dir}/${name}.txt")
endfunction()
function(copy_license_at_top_of source name bytes)
  file(READ "${source}" text LIMIT ${bytes})
  file(WRITE "${licenses_dir}/${name}.txt" "${text}\n")
endfunction()

file(MAKE_DIRECTORY "${licenses_dir}")
copy_license(stable-diffusion.cpp "${ENGINE_SOURCE_DIR}/LICENSE")
copy_license(ggml "${ENGINE_SOURCE_DIR}/ggml/LICENSE")
copy_license(darts-clone "${ENGINE_SOURCE_DIR}/thirdparty/LICENSE.darts_clone.txt")
copy_license_at_top_of("${ENGINE_SOURCE_DIR}/thirdparty/json.hpp" nlohmann-json 320)
copy_license_at_top_of("${ENGINE_SOURCE_DIR}/thirdparty/zip.h" zip 537)
copy_license_at_top_of("${ENGINE_SOURCE_DIR}/thirdparty/miniz.h" miniz 330)
copy_license_at_top_of("${ENGINE_SOURCE_DIR}/ggml/src/ggml-cpu/llamafile/sgemm.cpp" llamafile 1120)
file(GLOB pybind11_license "${pybind11_DIR}/../../../../pybind11-*.dist-info/licenses/LICENSE")
if(pybind11_license)
  copy_license(pybind11 "${pybind11_license}")
endif()
# auditwheel adds GCC's OpenMP library to a wheel. Its license is where Debian or Red Hat installs it;
# published wheels are built on Red Hat's systems.
file(GLOB libgomp_license /usr/share/doc/libgomp1/copyright /usr/share/common-licenses/GPL-3
     /usr/share/licenses/libgcc/COPYING.RUNTIME /usr/share/licenses/libgcc/COPYING3)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND libgomp_license)
  file(WRITE "${licenses_dir}/libgomp.txt"
       "A wheel for Linux may contain libgomp, the OpenMP library of GCC (https://gcc.gnu.org), under the\n"
       "GNU General Public License 3 or later with the GCC Runtime Library Exception 3.1:\n\n")
  foreach(source IN LISTS libgomp_license)
    file(READ "${source}" text)
    file(APPEND "${licenses_dir}/libgomp.txt" "${text}\n")
  endforeach()
endif()
file(GLOB ENGINE_LICENSE_FILES "${licenses_dir}/*.txt")
