# One extension module per instruction-set level, all from the same sources, so that
# inline code compiled for one CPU can never be linked into the module of another.

set(FASTNOTES_KNOWN_LEVELS native v2 v3 v4)
foreach(level IN LISTS FASTNOTES_LEVELS)
  if(NOT level IN_LIST FASTNOTES_KNOWN_LEVELS)
    message(FATAL_ERROR "FASTNOTES_LEVELS: unknown level '${level}', "
                        "expected some of ${FASTNOTES_KNOWN_LEVELS}")
  endif()
endforeach()

if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64|amd64")
  set(FASTNOTES_FLAGS_native -march=native)
  foreach(level v2 v3 v4)
    set(FASTNOTES_FLAGS_${level} -march=x86-64-${level})
  endforeach()
else()
  set(FASTNOTES_FLAGS_native -mcpu=native)
endif()

# Numerics are the same in every translation unit: no contraction, no fast-math.
add_library(fastnotes_numerics INTERFACE)
target_compile_options(
  fastnotes_numerics
  INTERFACE -ffp-contract=off -fno-math-errno -fno-trapping-math
            $<$<CXX_COMPILER_ID:GNU>:-fno-gnu-unique>
            $<$<CONFIG:Release>:-O3>)

find_package(Git QUIET)
set(FASTNOTES_COMMIT "unknown")
if(Git_FOUND AND EXISTS "${PROJECT_SOURCE_DIR}/.git")
  execute_process(
    COMMAND "${GIT_EXECUTABLE}" describe --always --dirty --abbrev=12 --exclude=*
    WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}"
    OUTPUT_VARIABLE FASTNOTES_COMMIT OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
endif()

# Hidden visibility does not reach the standard library's templates; the linker does.
function(fastnotes_hide_symbols target)
  if(APPLE)
    target_link_options(${target} PRIVATE LINKER:-exported_symbol,_PyInit_*)
  else()
    set(map "${PROJECT_SOURCE_DIR}/cmake/exports.map")
    target_link_options(
      ${target} PRIVATE LINKER:--version-script=${map} LINKER:--gc-sections
      $<$<AND:$<CONFIG:Release>,$<BOOL:${SKBUILD}>>:-s>)
    set_target_properties(${target} PROPERTIES LINK_DEPENDS "${map}")
  endif()
endfunction()

# pybind11 costs each file that includes it ten seconds, so bindings are compiled several at
# a time: what they keep to themselves needs names that differ. Kernels stay apart.
function(fastnotes_join_bindings target)
  set_source_files_properties(${ARGN} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
  set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 7)
endfunction()

function(fastnotes_add_level level)
  set(target _core_${level})
  pybind11_add_module(${target} MODULE NO_EXTRAS ${FASTNOTES_KERNELS}
                      ${FASTNOTES_BINDINGS})
  target_include_directories(${target} PRIVATE "${PROJECT_SOURCE_DIR}/cpp")
  target_compile_options(${target} PRIVATE ${FASTNOTES_FLAGS_${level}})
  fastnotes_join_bindings(${target} ${FASTNOTES_KERNELS})
  target_link_libraries(
    ${target} PRIVATE fastnotes_warnings fastnotes_numerics fastnotes_sanitizers
                      fastnotes_threads fastnotes_eigen)
  list(JOIN FASTNOTES_FLAGS_${level} " " flags)
  target_compile_definitions(
    ${target}
    PRIVATE FASTNOTES_MODULE=${target} FASTNOTES_LEVEL_NAME="${level}")
  set_source_files_properties(
    cpp/bindings/runtime.cpp
    PROPERTIES
      COMPILE_DEFINITIONS
      "FASTNOTES_VERSION=\"${FASTNOTES_VERSION}\";FASTNOTES_COMMIT=\"${FASTNOTES_COMMIT}\"")
  target_compile_definitions(${target} PRIVATE FASTNOTES_FLAGS="${flags}")
  fastnotes_hide_symbols(${target})
  install(TARGETS ${target} DESTINATION fastnotes)
endfunction()

# Names of the instruction sets that the flags of a level switch on.
function(fastnotes_level_macros level result)
  execute_process(
    COMMAND ${CMAKE_CXX_COMPILER} ${FASTNOTES_FLAGS_${level}} -dM -E -x c++ /dev/null
    OUTPUT_VARIABLE macros RESULT_VARIABLE failed)
  if(failed)
    message(FATAL_ERROR "the compiler refuses ${FASTNOTES_FLAGS_${level}}")
  endif()
  string(REGEX MATCHALL "#define __[A-Z0-9_]+__ 1" lines "${macros}")
  list(TRANSFORM lines REPLACE "#define (__[A-Z0-9_]+__) 1" "\\1")
  list(JOIN lines " " lines)
  set(${result} "${lines}" PARENT_SCOPE)
endfunction()

# _cpu: built for the baseline, tells which levels were built and which can run.
function(fastnotes_add_cpu_probe)
  set(table "")
  foreach(level IN LISTS FASTNOTES_LEVELS)
    fastnotes_level_macros(${level} macros)
    string(APPEND table "{\"${level}\", \"${macros}\"},\n")
  endforeach()
  file(CONFIGURE OUTPUT "${PROJECT_BINARY_DIR}/generated/built_levels.inc"
       CONTENT "${table}")
  pybind11_add_module(_cpu MODULE NO_EXTRAS cpp/bindings/cpu.cpp)
  target_include_directories(_cpu PRIVATE "${PROJECT_BINARY_DIR}/generated")
  target_link_libraries(_cpu PRIVATE fastnotes_warnings fastnotes_numerics)
  fastnotes_hide_symbols(_cpu)
  install(TARGETS _cpu DESTINATION fastnotes)
endfunction()
