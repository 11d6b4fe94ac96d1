add_library(fastnotes_warnings INTERFACE)
target_compile_options(
  fastnotes_warnings
  INTERFACE -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wdouble-promotion
            $<$<BOOL:${FASTNOTES_WERROR}>:-Werror>
            # What GCC's -Wconversion leaves out: indices are signed throughout.
            $<$<CXX_COMPILER_ID:Clang,AppleClang>:-Wno-sign-conversion>
            # Vector types wider than the baseline never cross a module's boundary.
            $<$<CXX_COMPILER_ID:GNU>:-Wno-psabi>)
