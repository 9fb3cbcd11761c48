# SPDX-License-Identifier: MIT
# The public headers, staged as they will be installed: the program, the
# benchmarks and the examples compile against this copy alone, so a private
# header cannot be reached by accident.

set(XBAR_STAGED_INCLUDE ${PROJECT_BINARY_DIR}/include)
set_property(GLOBAL PROPERTY XBAR_PUBLIC_HEADERS "")

# xbar_public_headers(FILES...): called by each folder for its own headers.
function(xbar_public_headers)
    foreach(header ${ARGN})
        set(source ${CMAKE_CURRENT_SOURCE_DIR}/${header})
        file(RELATIVE_PATH path ${PROJECT_SOURCE_DIR} ${source})
        set_property(GLOBAL APPEND PROPERTY XBAR_PUBLIC_HEADERS ${path})
        xbar_stage(${source} ${path})
    endforeach()
endfunction()

# xbar_umbrella_headers(FILES...): sources in engine/, installed at the top.
function(xbar_umbrella_headers)
    foreach(header ${ARGN})
        set_property(GLOBAL APPEND PROPERTY XBAR_UMBRELLA_HEADERS
                     ${CMAKE_CURRENT_SOURCE_DIR}/${header})
        xbar_stage(${CMAKE_CURRENT_SOURCE_DIR}/${header} ${header})
    endforeach()
endfunction()

# A symbolic link, so that an edited header needs no new configure run.
function(xbar_stage source path)
    get_filename_component(dir ${XBAR_STAGED_INCLUDE}/xbar/${path} DIRECTORY)
    file(MAKE_DIRECTORY ${dir})
    file(CREATE_LINK ${source} ${XBAR_STAGED_INCLUDE}/xbar/${path} SYMBOLIC)
endfunction()
