# SPDX-License-Identifier: MIT
# What `cmake --install` puts where: the library, its headers, the program,
# and how other builds find them (pkg-config's xbar, CMake's xbar::xbar).
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/xbar)

# ---- Headers: the tree under include/xbar, the umbrella at its top ----------

get_property(public GLOBAL PROPERTY XBAR_PUBLIC_HEADERS)
foreach(path ${public})
    get_filename_component(dir ${path} DIRECTORY)
    install(FILES ${path} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/xbar/${dir})
endforeach()
get_property(umbrella GLOBAL PROPERTY XBAR_UMBRELLA_HEADERS)
install(FILES ${umbrella} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/xbar)

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
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
if(TARGET xbar)
    # An installed program finds the library beside it, wherever that is.
    file(RELATIVE_PATH bin_to_lib ${CMAKE_INSTALL_FULL_BINDIR}
         ${CMAKE_INSTALL_FULL_LIBDIR})
    set_target_properties(xbar PROPERTIES INSTALL_RPATH $ORIGIN/${bin_to_lib})
    install(TARGETS xbar RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()

# ---- Packages ---------------------------------------------------------------

install(EXPORT xbarTargets NAMESPACE xbar:: DESTINATION ${package_dir})
configure_package_config_file(cmake/xbarConfig.cmake.in
    ${PROJECT_BINARY_DIR}/xbarConfig.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/xbarConfigVersion.cmake
    COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/xbarConfig.cmake
              ${PROJECT_BINARY_DIR}/xbarConfigVersion.cmake
        DESTINATION ${package_dir})

# Paths in xbar.pc are relative to where it lies: the tree may be moved.
file(RELATIVE_PATH pc_to_prefix
     ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
configure_file(cmake/xbar.pc.in ${PROJECT_BINARY_DIR}/xbar.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/xbar.pc
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
