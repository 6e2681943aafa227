# What every target is compiled with.

option(QUELL_TESTS "Build the tests and benchmarks" ON)
option(QUELL_GRPC "Build what links gRPC" ON)
option(QUELL_UNITY "Compile several sources of a target at once: a whole build in half the time" OFF)
option(QUELL_WERROR "Treat warnings as errors" OFF)
set(QUELL_SANITIZE "" CACHE STRING "Sanitizers: 'address,undefined', 'thread' or none")

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "" FORCE)
endif()

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_CXX_FLAGS_DEBUG "-O0 -g1")
set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g1")
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)

add_compile_options(
  -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Wconversion
  -Wno-restrict  # GCC 12 sees overlaps in std::string that are not there (GCC bug 105651).
  -fstack-protector-strong
  -ffile-prefix-map=${PROJECT_SOURCE_DIR}/=)
if(QUELL_WERROR)
  add_compile_options(-Werror)
endif()
if(QUELL_UNITY)
  # A source that is included is no header, and may define classes of its own.
  add_compile_options(-Wno-subobject-linkage)
endif()
if(NOT CMAKE_BUILD_TYPE STREQUAL "Debug" AND NOT QUELL_SANITIZE)
  add_compile_definitions(_FORTIFY_SOURCE=2)
endif()
add_compile_definitions(_GLIBCXX_ASSERTIONS BOOST_ASIO_NO_DEPRECATED)
add_link_options(-Wl,-z,relro,-z,now)

if(QUELL_SANITIZE)
  add_compile_options(-fsanitize=${QUELL_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${QUELL_SANITIZE})
  if(QUELL_SANITIZE MATCHES "thread")
    add_compile_options(-Wno-tsan)  # Asio has fences; its queues are locked all the same.
  endif()
endif()

find_program(QUELL_CCACHE ccache)
if(QUELL_CCACHE)
  # The prefix map makes an object independent of where the sources lie: no reason to miss.
  set(CMAKE_CXX_COMPILER_LAUNCHER
    ${CMAKE_COMMAND} -E env CCACHE_NOHASHDIR=1 CCACHE_BASEDIR=${PROJECT_SOURCE_DIR}
    CCACHE_SLOPPINESS=pch_defines,time_macros CCACHE_IGNOREOPTIONS=-ffile-prefix-map=*
    ${QUELL_CCACHE})
endif()
find_program(QUELL_MOLD mold)
if(QUELL_MOLD)
  add_link_options(-fuse-ld=mold)
endif()
