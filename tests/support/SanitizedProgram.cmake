# The settings of programs that run parts of the library and of this project under the sanitizers. Sets
# root, the folder of the project.

set(CMAKE_CXX_STANDARD 17)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
get_filename_component(root "${CMAKE_CURRENT_SOURCE_DIR}/../.." ABSOLUTE)

find_package(Python REQUIRED COMPONENTS Interpreter)
include("${root}/cmake/EngineSource.cmake")

add_compile_options(-O1 -g1 -fno-omit-frame-pointer -fsanitize=address,undefined
                    -fno-sanitize-recover=undefined)
add_link_options(-fsanitize=address,undefined)
