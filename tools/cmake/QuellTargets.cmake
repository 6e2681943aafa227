include(GNUInstallDirs)

# One folder is one target, and its sources are what lies in it: nothing is listed, so nothing can be
# forgotten.

# quell_unity(TARGET): with QUELL_UNITY its sources are compiled by the batch, so that the headers they
# share are read once. Names in the anonymous namespaces of one target must therefore differ.
function(quell_unity name)
  if(QUELL_UNITY)
    set_target_properties(${name} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 8)
  endif()
endfunction()

# quell_library(NAME LIBS ...): the *.cc below the folder without main.cc, as a static library.
function(quell_library name)
  cmake_parse_arguments(arg "" "" "LIBS" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS *.cc)
  list(FILTER sources EXCLUDE REGEX "(^|/)main\\.cc$")
  if(NOT sources)
    message(FATAL_ERROR "${CMAKE_CURRENT_SOURCE_DIR} has no sources")
  endif()
  add_library(${name} STATIC ${sources})
  target_include_directories(${name} PUBLIC ${PROJECT_SOURCE_DIR})
  target_link_libraries(${name} PUBLIC ${arg_LIBS})
  quell_unity(${name})
endfunction()

# quell_program(NAME [INSTALL] LIBS ...): the folder's main.cc, as build/bin/NAME. With INSTALL
# `cmake --install` puts it where programs lie.
function(quell_program name)
  cmake_parse_arguments(arg "INSTALL" "" "LIBS" ${ARGN})
  add_executable(${name} main.cc)
  target_link_libraries(${name} PRIVATE ${arg_LIBS})
  if(arg_INSTALL)
    install(TARGETS ${name} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT programs)
  endif()
endfunction()

# quell_tests(NAME FOLDER LIBS ...): all *.cc below FOLDER as one program, one ctest test.
function(quell_tests name folder)
  cmake_parse_arguments(arg "" "" "LIBS" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${folder}/*.cc)
  if(NOT sources)
    message(FATAL_ERROR "${CMAKE_CURRENT_SOURCE_DIR}/${folder} has no tests")
  endif()
  add_executable(${name} ${sources})
  target_link_libraries(${name} PRIVATE ${arg_LIBS} GTest::gmock GTest::gtest_main)
  quell_unity(${name})
  # Compiling a test takes longer than running it: what is tested is optimized, the test is not.
  target_compile_options(${name} PRIVATE
    $<$<CONFIG:RelWithDebInfo>:-O0 -g0 -U_FORTIFY_SOURCE>)
  add_test(NAME ${name} COMMAND ${name})
endfunction()
