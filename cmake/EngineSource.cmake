# Downloads the engine's source: stable-diffusion.cpp with its ggml.
#
# The source is part of a source distribution on the package index, pinned by version and SHA-256, so
# that a build needs only the index that pip is configured to use. It is unpacked once into the build
# folder; later builds need no network. Sets ENGINE_SOURCE_DIR, engine_commit, and ENGINE_ABI, a text that
# is equal for the extension and a GPU backend if they agree on ggml's structs.

set(GPUSTACK_DRAW_ENGINE_SOURCE "" CACHE PATH "Folder with stable-diffusion.cpp, instead of the pinned source")

set(engine_package stable-diffusion-cpp-python)
set(engine_package_version 0.4.7)
set(engine_package_sha256 998d1957260dd5ae4e18a8acc0c14b0a8757aaa9f96515197b6d5bbf46df9282)
set(engine_commit 90e87bc8)  # of stable-diffusion.cpp in that package

# Length of the names in ggml's structs, with which the library is built.
set(ENGINE_MAX_NAME 128)

if(GPUSTACK_DRAW_ENGINE_SOURCE)
  set(engine_commit unknown)
  set(ENGINE_SOURCE_DIR "${GPUSTACK_DRAW_ENGINE_SOURCE}")
  set(engine_package_version "of a local folder")
else()
  set(engine_dir "${CMAKE_BINARY_DIR}/engine-source-${engine_package_version}")
  set(ENGINE_SOURCE_DIR
      "${engine_dir}/stable_diffusion_cpp_python-${engine_package_version}/vendor/stable-diffusion.cpp")
  if(NOT EXISTS "${engine_dir}/complete")
    message(STATUS "Downloading the engine's source: ${engine_package} ${engine_package_version}")
    file(REMOVE_RECURSE "${engine_dir}")
    file(WRITE "${engine_dir}/requirements.txt"
         "${engine_package}==${engine_package_version} --hash=sha256:${engine_package_sha256}\n")
    execute_process(
      COMMAND "${Python_EXECUTABLE}" -m pip download --quiet --disable-pip-version-check --no-deps
              --no-build-isolation --no-binary ${engine_package} --require-hashes --requirement
              "${engine_dir}/requirements.txt" --dest "${engine_dir}"
      RESULT_VARIABLE pip_status
      OUTPUT_VARIABLE pip_output
      ERROR_VARIABLE pip_output)
    file(GLOB engine_archive "${engine_dir}/*.tar.gz")
    if(NOT pip_status EQUAL 0 OR NOT engine_archive)
      message(VERBOSE "${pip_output}")
      string(STRIP "${pip_output}" pip_output)
      string(REGEX REPLACE ".*\n" "" pip_last_line "${pip_output}")
      message(FATAL_ERROR "The engine's source (${engine_package} ${engine_package_version}) could not be "
                          "downloaded with pip: connect to a package index, or set a folder that contains "
                          "stable-diffusion.cpp with --config-settings=cmake.define.GPUSTACK_DRAW_ENGINE_SOURCE=DIR. "
                          "Output of pip: ${pip_last_line}")
    endif()
    file(ARCHIVE_EXTRACT INPUT "${engine_archive}" DESTINATION "${engine_dir}")
    file(TOUCH "${engine_dir}/complete")
  endif()
endif()

if(NOT EXISTS "${ENGINE_SOURCE_DIR}/include/stable-diffusion.h")
  message(FATAL_ERROR "'${ENGINE_SOURCE_DIR}' contains no stable-diffusion.cpp (include/stable-diffusion.h is "
                      "missing): set its top folder with --config-settings=cmake.define.GPUSTACK_DRAW_ENGINE_SOURCE=DIR.")
endif()

set(interface)
set(ggml_dir "${ENGINE_SOURCE_DIR}/ggml")
foreach(header IN ITEMS "${ggml_dir}/include/ggml.h" "${ggml_dir}/include/ggml-backend.h"
                        "${ggml_dir}/src/ggml-backend-impl.h"
                        "${CMAKE_CURRENT_LIST_DIR}/../cpp/engine/backend_interface.h")
  file(STRINGS "${header}" lines)
  list(APPEND interface "${lines}")
endforeach()
string(SHA256 interface "${interface}")
string(SUBSTRING "${interface}" 0 8 interface)
set(ENGINE_ABI "engine ${engine_package_version}, interface ${interface}, GGML_MAX_NAME ${ENGINE_MAX_NAME}")
