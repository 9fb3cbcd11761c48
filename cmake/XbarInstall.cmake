# SPDX-License-Identifier: MIT
# What `cmake --install` puts where: the library, its headers, the program,
# and how other builds find them (pkg-config's xbar, CMake's xbar::xbar).
#
# Three components, each a Debian package (XbarPackage.cmake): library, dev,
# program. Adapters (cmake/XbarPlug.cmake) are two more each.
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/xbar)

# ---- Headers: the tree under include/xbar, the umbrella at its top ----------

get_property(public GLOBAL PROPERTY XBAR_PUBLIC_HEADERS)
get_property(plug_headers GLOBAL PROPERTY XBAR_PLUG_HEADERS)
foreach(path ${public})
    if(path IN_LIST plug_headers)
        continue() # installed with its library
    endif()
    get_filename_component(dir ${path} DIRECTORY)
    install(FILES ${path} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/xbar/${dir}
            COMPONENT dev)
endforeach()
get_property(umbrella GLOBAL PROPERTY XBAR_UMBRELLA_HEADERS)
install(FILES ${umbrella} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/xbar
        COMPONENT dev)

# The list, as "xbar/<path>" lines, for tests/checks.
set(names ${public})
foreach(header ${umbrella})
    get_filename_component(name ${header} NAME)
    list(APPEND names ${name})
endforeach()
list(TRANSFORM names PREPEND xbar/)
list(JOIN names "\n" lines)
file(WRITE ${PROJECT_BINARY_DIR}/public-headers.txt "${lines}\n")

# ---- Library and program ----------------------------------------------------

set_target_properties(libxbar PROPERTIES EXPORT_NAME xbar)
install(TARGETS libxbar EXPORT xbarTargets
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
        COMPONENT library NAMELINK_COMPONENT dev)
if(TARGET libxbar_static)
    install(FILES ${XBAR_STATIC} DESTINATION ${CMAKE_INSTALL_LIBDIR}
            COMPONENT dev)
endif()
if(TARGET xbar)
    # An installed program finds the library beside it, wherever that is. In
    # /usr the loader looks by itself.
    if(NOT CMAKE_INSTALL_PREFIX STREQUAL "/usr")
        file(RELATIVE_PATH bin_to_lib ${CMAKE_INSTALL_FULL_BINDIR}
             ${CMAKE_INSTALL_FULL_LIBDIR})
        set_target_properties(xbar PROPERTIES
                              INSTALL_RPATH $ORIGIN/${bin_to_lib})
    endif()
    install(TARGETS xbar RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR}
            COMPONENT program)
    install(FILES xbar/xbar.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1
            COMPONENT program)
endif()

# ---- Packages ---------------------------------------------------------------

install(EXPORT xbarTargets NAMESPACE xbar:: DESTINATION ${package_dir}
        COMPONENT dev)
configure_package_config_file(cmake/xbarConfig.cmake.in
    ${PROJECT_BINARY_DIR}/xbarConfig.cmake INSTALL_DESTINATION ${package_dir}
    PATH_VARS CMAKE_INSTALL_LIBDIR CMAKE_INSTALL_INCLUDEDIR)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/xbarConfigVersion.cmake
    COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/xbarConfig.cmake
              ${PROJECT_BINARY_DIR}/xbarConfigVersion.cmake
        DESTINATION ${package_dir} COMPONENT dev)

xbar_pkg_config(xbar xbar.pc.in dev)
