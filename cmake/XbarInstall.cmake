# SPDX-License-Identifier: MIT
# The library, its headers, the program, and the pkg-config and CMake packages.
include(CMakePackageConfigHelpers)

get_property(public GLOBAL PROPERTY XBAR_PUBLIC_HEADERS)
foreach(path ${public})
    get_filename_component(dir ${path} DIRECTORY)
    install(FILES ${path} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/xbar/${dir})
endforeach()
get_property(umbrella GLOBAL PROPERTY XBAR_UMBRELLA_HEADERS)
install(FILES ${umbrella} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/xbar)
