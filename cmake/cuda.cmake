# _core_cuda: the CUDA twins of the kernels, a module of its own that nothing needs.
#
# The runtime is linked statically, so that importing the module needs no CUDA library:
# the driver is looked for at the first call.

set(FASTNOTES_CUDA_ARCHITECTURES "80-real;90" CACHE STRING
    "Compute capabilities of the CUDA extension, as CMAKE_CUDA_ARCHITECTURES")
if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
  set(CMAKE_CUDA_ARCHITECTURES "${FASTNOTES_CUDA_ARCHITECTURES}")
endif()
include(CheckLanguage)
check_language(CUDA)
if(NOT CMAKE_CUDA_COMPILER)
  message(FATAL_ERROR "FASTNOTES_CUDA=ON, but nvcc was not found: install the CUDA "
                      "toolkit (12 or newer), or set CMAKE_CUDA_COMPILER or CUDACXX")
endif()
set(CMAKE_CUDA_STANDARD 17)
set(CMAKE_CUDA_STANDARD_REQUIRED ON)
set(CMAKE_CUDA_RUNTIME_LIBRARY Static)
set(CMAKE_CUDA_VISIBILITY_PRESET hidden)
enable_language(CUDA)
find_package(CUDAToolkit 12 REQUIRED)

# Numerics as on the CPU: no contraction behind our back, fused only where written.
add_library(fastnotes_cuda_numerics INTERFACE)
target_compile_options(
  fastnotes_cuda_numerics
  INTERFACE $<$<COMPILE_LANGUAGE:CUDA>:--fmad=false>
            # A View of const has a conversion to itself, which nothing can call.
            $<$<COMPILE_LANGUAGE:CUDA>:--diag-suppress=554>
            "$<$<AND:$<COMPILE_LANGUAGE:CUDA>,$<BOOL:${FASTNOTES_WERROR}>>:-Werror=all-warnings>"
            "$<$<COMPILE_LANGUAGE:CXX>:-ffp-contract=off;-fno-gnu-unique>")

function(fastnotes_add_cuda)
  pybind11_add_module(_core_cuda MODULE NO_EXTRAS ${FASTNOTES_CUDA_KERNELS}
                      ${FASTNOTES_CUDA_BINDINGS})
  fastnotes_join_bindings(_core_cuda ${FASTNOTES_CUDA_KERNELS})
  target_include_directories(_core_cuda PRIVATE "${PROJECT_SOURCE_DIR}/cpp")
  target_link_libraries(_core_cuda PRIVATE fastnotes_cuda_numerics CUDA::cudart_static)
  get_target_property(warnings fastnotes_warnings INTERFACE_COMPILE_OPTIONS)
  target_compile_options(_core_cuda PRIVATE "$<$<COMPILE_LANGUAGE:CXX>:${warnings}>")
  list(TRANSFORM CMAKE_CUDA_ARCHITECTURES REPLACE "[^0-9]" "" OUTPUT_VARIABLE built)
  list(SORT built COMPARE NATURAL)
  list(GET built 0 oldest)
  target_compile_definitions(_core_cuda PRIVATE FASTNOTES_OLDEST_CAPABILITY=${oldest})
  fastnotes_hide_symbols(_core_cuda)
  install(TARGETS _core_cuda DESTINATION fastnotes)
endfunction()
