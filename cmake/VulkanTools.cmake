# Checks what a Vulkan build needs, before anything is downloaded or compiled. ggml's own build would
# report a missing tool on a page, and old headers after minutes of compiling shaders.

find_package(Vulkan QUIET)
if(NOT Vulkan_FOUND OR NOT Vulkan_GLSLC_EXECUTABLE)
  message(FATAL_ERROR "A build with Vulkan needs Vulkan's headers, its loader and the shader compiler "
                      "glslc: install libvulkan-dev and glslc (Debian, Ubuntu), vulkan-headers, "
                      "vulkan-loader-devel and glslc (Fedora) or the Vulkan SDK, and install "
                      "gpustack-draw again.")
endif()

# ggml uses this extension of 1.3.272.
file(STRINGS "${Vulkan_INCLUDE_DIR}/vulkan/vulkan_core.h" layer_settings
     REGEX "define VK_EXT_layer_settings ")
if(NOT layer_settings)
  message(FATAL_ERROR "A build with Vulkan needs headers of Vulkan 1.3.272 or newer, and those in "
                      "'${Vulkan_INCLUDE_DIR}' are older: install the Vulkan SDK or the libvulkan-dev of "
                      "Debian 13 or Ubuntu 24.04, or set a folder of newer headers with "
                      "--config-settings=cmake.define.Vulkan_INCLUDE_DIR=DIR.")
endif()

# Set `kinds` to the kinds of shaders that the shader compiler is too old for, once ggml is configured.
function(list_missing_shaders kinds)
  get_directory_property(definitions DIRECTORY "${ENGINE_SOURCE_DIR}/ggml/src/ggml-vulkan"
                         COMPILE_DEFINITIONS)
  set(missing "")
  foreach(kind IN ITEMS "COOPMAT:matrix cores" "COOPMAT2:NVIDIA's matrix cores" "INTEGER_DOT:int8 products"
                        "BFLOAT16:bf16")
    string(REGEX MATCH "(.*):(.*)" _ "${kind}")
    if(NOT "GGML_VULKAN_${CMAKE_MATCH_1}_GLSLC_SUPPORT" IN_LIST definitions)
      list(APPEND missing "${CMAKE_MATCH_2}")
    endif()
  endforeach()
  list(JOIN missing ", " missing)
  set(${kinds} "${missing}" PARENT_SCOPE)
endfunction()
