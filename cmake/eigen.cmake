# Eigen headers: the vendored copy, filled from the cmeel-eigen package when absent.
set(FASTNOTES_EIGEN_DIR "${PROJECT_SOURCE_DIR}/cpp/third_party/eigen")
if(NOT EXISTS "${FASTNOTES_EIGEN_DIR}/Eigen/Core")
  execute_process(
    COMMAND "${Python_EXECUTABLE}" "${PROJECT_SOURCE_DIR}/cpp/third_party/vendor.py"
    RESULT_VARIABLE _vendored)
  if(NOT _vendored EQUAL 0)
    message(FATAL_ERROR "Eigen headers are missing: pip install cmeel-eigen, or fill "
                        "${FASTNOTES_EIGEN_DIR}")
  endif()
endif()
add_library(fastnotes_eigen INTERFACE)
target_include_directories(fastnotes_eigen SYSTEM INTERFACE "${FASTNOTES_EIGEN_DIR}")
target_compile_definitions(fastnotes_eigen INTERFACE EIGEN_MPL2_ONLY)
