# SPDX-License-Identifier: MIT
# libxbar.a. Hidden symbols are as hidden as in the shared library: all objects
# become one, in which only what is XBAR_API is left to link to, so that no
# name of ours can clash with an embedder's. A sanitizer's build has none.
if(XBAR_SANITIZE)
    return()
endif()

set(XBAR_STATIC ${PROJECT_BINARY_DIR}/libxbar.a)
set(join ${CMAKE_LINKER} -r)
if(XBAR_LTO_LINK)
    set(join ${CMAKE_C_COMPILER} -r -nostdlib ${XBAR_LTO_LINK}
        -flinker-output=nolto-rel)
endif()
set(objects $<TARGET_OBJECTS:engine> $<TARGET_OBJECTS:flatview>
            $<TARGET_OBJECTS:tlb> $<TARGET_OBJECTS:jit>)
add_custom_command(OUTPUT ${XBAR_STATIC}
    COMMAND ${join} -o libxbar.o ${objects}
    COMMAND ${CMAKE_OBJCOPY} --localize-hidden libxbar.o
    COMMAND ${CMAKE_COMMAND} -E rm -f ${XBAR_STATIC}
    COMMAND ${CMAKE_AR} qcD ${XBAR_STATIC} libxbar.o
    COMMAND ${CMAKE_RANLIB} ${XBAR_STATIC}
    WORKING_DIRECTORY ${PROJECT_BINARY_DIR}
    DEPENDS ${objects} COMMAND_EXPAND_LISTS VERBATIM)
add_custom_target(libxbar_static ALL DEPENDS ${XBAR_STATIC})
