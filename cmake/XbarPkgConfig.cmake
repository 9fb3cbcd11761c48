# SPDX-License-Identifier: MIT
# How pkg-config finds a library of ours.

# xbar_pkg_config(NAME TEMPLATE COMPONENT): installs NAME.pc, made of
# cmake/TEMPLATE. Paths in it are relative to where it lies: the tree may be
# moved.
function(xbar_pkg_config name template component)
    file(RELATIVE_PATH pc_to_prefix
         ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
    string(REGEX REPLACE "/$" "" pc_to_prefix "${pc_to_prefix}")
    configure_file(${PROJECT_SOURCE_DIR}/cmake/${template}
                   ${PROJECT_BINARY_DIR}/${name}.pc @ONLY)
    install(FILES ${PROJECT_BINARY_DIR}/${name}.pc
            DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig
            COMPONENT ${component})
endfunction()
