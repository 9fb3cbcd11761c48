# SPDX-License-Identifier: MIT
# Flags that every target shares. One place, so that a layer cannot be built
# with a different idea of what an assert or a sanitizer is.

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_CXX_STANDARD 17)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

if(NOT CMAKE_BUILD_TYPE)
    set(CMAKE_BUILD_TYPE Release)
endif()

option(XBAR_BUILD_PROGRAM "build the xbar program" ON)
option(XBAR_BUILD_TESTS "build the tests" ON)
option(XBAR_BUILD_BENCH "build the benchmarks where google-benchmark is found" ON)
option(XBAR_PLUG_DYNARMIC "build libxbar-dynarmic where dynarmic is found" ON)
option(XBAR_PLUG_KVM "build libxbar-kvm where linux/kvm.h is found" ON)
option(XBAR_PLUG_UNICORN "build libxbar-unicorn where Unicorn is found" ON)
option(XBAR_WERROR "warnings are errors" OFF)
option(XBAR_CHECKED "compile the O(n) validators in" OFF)
set(XBAR_SANITIZE "" CACHE STRING "address,undefined or thread")
option(XBAR_LTO "optimise the library as a whole (gcc, optimised builds)" ON)

set(XBAR_WARNINGS -Wall -Wextra -Wshadow -Wundef -Wvla -Wwrite-strings
    -Wimplicit-fallthrough
    -Wno-missing-field-initializers # what is left out is zero, on purpose
    $<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes>
    $<$<COMPILE_LANGUAGE:C>:-Wmissing-prototypes>)
add_compile_options(${XBAR_WARNINGS} -fno-plt -fno-strict-aliasing)
if(XBAR_WERROR)
    add_compile_options(-Werror)
endif()
if(XBAR_CHECKED)
    add_compile_definitions(XBAR_CHECKED=1)
endif()
if(XBAR_SANITIZE)
    add_compile_options(-fsanitize=${XBAR_SANITIZE} -fno-omit-frame-pointer
                        -fno-sanitize-recover=all)
    add_link_options(-fsanitize=${XBAR_SANITIZE})
endif()

# A commit goes through a dozen files, and a call between two of them costs as much
# as what it does. Only gcc's: the objects are to be usable without it, too.
if(XBAR_LTO AND CMAKE_C_COMPILER_ID STREQUAL "GNU" AND NOT XBAR_SANITIZE
   AND CMAKE_BUILD_TYPE MATCHES "^Rel")
    set(XBAR_LTO_COMPILE -flto=auto -ffat-lto-objects)
    set(XBAR_LTO_LINK -flto=auto)
endif()

# xbar_find_cxx(RESULT): is there a C++ compiler? Looks again if there was
# none the last time.
include(CheckLanguage)
function(xbar_find_cxx result)
    if(NOT CMAKE_CXX_COMPILER)
        unset(CMAKE_CXX_COMPILER CACHE)
        check_language(CXX)
    endif()
    set(${result} ${CMAKE_CXX_COMPILER} PARENT_SCOPE)
endfunction()

set(CMAKE_THREAD_PREFER_PTHREAD ON)
set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(URCU REQUIRED IMPORTED_TARGET liburcu-bp)

# What the library itself links: liburcu and nothing else.
add_library(xbar_deps INTERFACE)
target_link_libraries(xbar_deps INTERFACE PkgConfig::URCU Threads::Threads)

# xbar_layer(NAME SOURCES...): one folder of the library as an object library.
# XBAR_IN_<NAME> opens the fields that only this folder may touch
# (XBAR_PRIVATE in engine/types.h).
function(xbar_layer name)
    add_library(${name} OBJECT ${ARGN})
    string(TOUPPER ${name} upper)
    target_compile_definitions(${name} PRIVATE XBAR_IN_${upper}=1 _GNU_SOURCE=1)
    target_compile_options(${name} PRIVATE -ftls-model=initial-exec
                           ${XBAR_LTO_COMPILE})
    if(XBAR_LTO_COMPILE)
        # Tests of a layer by itself: each would optimise all of it.
        target_link_options(${name} INTERFACE -fno-lto)
    endif()
    target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR})
    target_link_libraries(${name} PUBLIC xbar_deps)
endfunction()
