# SPDX-License-Identifier: MIT
# Adapters (jit/plug): libxbar-NAME, which links libxbar and the engine that it
# is for, with a header, a pkg-config file, a component of CMake's package and
# Debian packages of its own. So libxbar needs none of those engines, and no
# licence of theirs reaches it.

# xbar_plug(NAME ENGINE SOURCES...): @ENGINE is what it links; "" for nothing.
# The caller's variables say the rest: PLUG_FOR, whose memory it is; for the
# pkg-config file, PLUG_REQUIRES, the engine's package, or ""; for Debian's,
# PLUG_DEBIAN, what has the engine's headers, or "".
function(xbar_plug name engine)
    set(target libxbar-${name})
    add_library(${target} SHARED ${ARGN})
    set_target_properties(${target} PROPERTIES OUTPUT_NAME xbar-${name}
        VERSION ${PROJECT_VERSION} SOVERSION 0 EXPORT_NAME ${name}
        LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR})
    target_compile_definitions(${target} PRIVATE _GNU_SOURCE=1)
    target_compile_options(${target} PRIVATE -ftls-model=initial-exec)
    target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR})
    target_link_libraries(${target} PUBLIC libxbar
                          PRIVATE ${engine} xbar_deps)
    xbar_plug_exports(${name} ${target})
    if(NOT XBAR_SANITIZE)
        target_link_options(${target} PRIVATE -Wl,--no-undefined)
    endif()
    xbar_public_headers(${name}.h)
    set_property(GLOBAL APPEND PROPERTY XBAR_PLUG_HEADERS jit/plug/${name}.h)
    set_property(GLOBAL APPEND PROPERTY XBAR_PLUGS ${name})
    set_property(GLOBAL PROPERTY XBAR_PLUG_FOR_${name} "${PLUG_FOR}")
    set_property(GLOBAL PROPERTY XBAR_PLUG_DEBIAN_${name} "${PLUG_DEBIAN}")
    xbar_install_plug(${name} ${target})
endfunction()

# Nothing of the engine's, and nothing that C++ makes by itself.
function(xbar_plug_exports name target)
    string(TOUPPER ${name} upper)
    set(map ${CMAKE_CURRENT_BINARY_DIR}/${target}.map)
    configure_file(${PROJECT_SOURCE_DIR}/cmake/libxbar-plug.map.in ${map} @ONLY)
    target_link_options(${target} PRIVATE -Wl,--version-script=${map})
    set_property(TARGET ${target} APPEND PROPERTY LINK_DEPENDS ${map})
endfunction()

function(xbar_install_plug name target)
    install(TARGETS ${target} EXPORT xbar-${name}Targets
            LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
            COMPONENT ${name} NAMELINK_COMPONENT ${name}-dev)
    install(FILES ${name}.h
            DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/xbar/jit/plug
            COMPONENT ${name}-dev)
    if(NOT CMAKE_INSTALL_PREFIX STREQUAL "/usr")
        set_target_properties(${target} PROPERTIES INSTALL_RPATH $ORIGIN)
    endif()
    xbar_pkg_config(xbar-${name} xbar-plug.pc.in ${name}-dev)

    # find_package(xbar COMPONENTS NAME) -> xbar::NAME
    set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/xbar)
    install(EXPORT xbar-${name}Targets NAMESPACE xbar::
            DESTINATION ${package_dir} COMPONENT ${name}-dev)
    configure_file(${PROJECT_SOURCE_DIR}/cmake/xbar-plug.cmake.in
                   ${PROJECT_BINARY_DIR}/xbar-${name}.cmake @ONLY)
    install(FILES ${PROJECT_BINARY_DIR}/xbar-${name}.cmake
            DESTINATION ${package_dir} COMPONENT ${name}-dev)
endfunction()
