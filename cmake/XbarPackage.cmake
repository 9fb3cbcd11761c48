# SPDX-License-Identifier: MIT
# Debian packages by CPack, one for each component of XbarInstall.cmake:
# libxbar0, libxbar-dev, xbar; of each adapter that is built, libxbar-NAME0 and
# libxbar-NAME-dev. `./dev package` makes them.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME xbar)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_PACKAGING_INSTALL_PREFIX ${CMAKE_INSTALL_PREFIX})
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_ALL library dev)

# Who packages, as Debian's own tools ask for it.
set(name "$ENV{DEBFULLNAME}")
set(email "$ENV{DEBEMAIL}")
if(NOT name OR NOT email)
    set(name "The xbar authors")
    set(email "xbar@users.noreply.github.com")
endif()
set(CPACK_DEBIAN_PACKAGE_MAINTAINER "${name} <${email}>")

set(exactly "(= ${PROJECT_VERSION}-${CPACK_DEBIAN_PACKAGE_RELEASE})")
string(CONCAT what
    "\n\nA tree of memory regions becomes a snapshot that is looked up in\n"
    "nanoseconds, answers are cached in a soft-TLB that emitted code probes\n"
    "inline, and emitted code is kept in a translation cache.")

# A package with the shared library of that base name, which is in the component.
function(xbar_library_package component base)
    string(TOUPPER ${component} upper)
    set(prefix CPACK_DEBIAN_${upper}_PACKAGE)
    set(files ${PROJECT_BINARY_DIR}/debian/${component})
    # How those that link it depend on it, and that the loader's cache is stale.
    file(WRITE ${files}/shlibs "${base} 0 ${base}0 (>= ${PROJECT_VERSION})\n")
    file(WRITE ${files}/triggers "activate-noawait ldconfig\n")
    set(${prefix}_NAME ${base}0 PARENT_SCOPE)
    set(${prefix}_SECTION libs PARENT_SCOPE)
    set(${prefix}_SHLIBDEPS ON PARENT_SCOPE)
    set(${prefix}_CONTROL_STRICT_PERMISSION ON PARENT_SCOPE)
    set(${prefix}_CONTROL_EXTRA ${files}/shlibs ${files}/triggers PARENT_SCOPE)
endfunction()

# ---- The shared library ----
xbar_library_package(library libxbar)
set(CPACK_COMPONENT_LIBRARY_DESCRIPTION
    "This package has the shared library.${what}")

# ---- Headers, archive, pkg-config, CMake; liburcu is for the archive ----
set(CPACK_DEBIAN_DEV_PACKAGE_NAME libxbar-dev)
set(CPACK_DEBIAN_DEV_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEV_PACKAGE_DEPENDS "libxbar0 ${exactly}")
set(CPACK_DEBIAN_DEV_PACKAGE_SUGGESTS "liburcu-dev")
set(CPACK_COMPONENT_DEV_DESCRIPTION
    "This package has what programs are built with.${what}")

# Libraries of our own that these link are found here, and named by themselves.
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${PROJECT_BINARY_DIR})

# ---- Adapters ----
get_property(plugs GLOBAL PROPERTY XBAR_PLUGS)
foreach(plug ${plugs})
    string(TOUPPER ${plug} upper)
    get_property(for GLOBAL PROPERTY XBAR_PLUG_FOR_${plug})
    get_property(engine GLOBAL PROPERTY XBAR_PLUG_DEBIAN_${plug})
    list(APPEND CPACK_COMPONENTS_ALL ${plug} ${plug}-dev)
    xbar_library_package(${plug} libxbar-${plug})
    set(CPACK_DEBIAN_${upper}_PACKAGE_DEPENDS "libxbar0 ${exactly}")
    set(CPACK_COMPONENT_${upper}_DESCRIPTION
        "This package has the adapter that makes its address spaces the memory\n"
        "of ${for}.${what}")
    string(JOIN "" CPACK_COMPONENT_${upper}_DESCRIPTION
           ${CPACK_COMPONENT_${upper}_DESCRIPTION})
    string(JOIN ", " CPACK_DEBIAN_${upper}-DEV_PACKAGE_DEPENDS
           "libxbar-${plug}0 ${exactly}" "libxbar-dev ${exactly}" ${engine})
    set(CPACK_DEBIAN_${upper}-DEV_PACKAGE_NAME libxbar-${plug}-dev)
    set(CPACK_DEBIAN_${upper}-DEV_PACKAGE_SECTION libdevel)
    set(CPACK_COMPONENT_${upper}-DEV_DESCRIPTION
        "This package has what programs are built with that use the adapter for\n"
        "${for}.${what}")
    string(JOIN "" CPACK_COMPONENT_${upper}-DEV_DESCRIPTION
           ${CPACK_COMPONENT_${upper}-DEV_DESCRIPTION})
endforeach()

# ---- The program ----
if(TARGET xbar)
    list(APPEND CPACK_COMPONENTS_ALL program)
    set(CPACK_DEBIAN_PROGRAM_PACKAGE_NAME xbar)
    set(CPACK_DEBIAN_PROGRAM_PACKAGE_SECTION misc)
    set(CPACK_DEBIAN_PROGRAM_PACKAGE_SHLIBDEPS ON)
    set(CPACK_DEBIAN_PROGRAM_PACKAGE_DEPENDS "libxbar0 ${exactly}")
    set(CPACK_COMPONENT_PROGRAM_DESCRIPTION
        "This package has the program: a RV64GC machine that profiles its guest,\n"
        "made of nothing but the library's public interface.${what}")
endif()

# What every package of Debian has beside its files.
set(CPACK_PRE_BUILD_SCRIPTS ${PROJECT_SOURCE_DIR}/cmake/package_files.cmake)
set(CPACK_XBAR_SOURCE_DIR ${PROJECT_SOURCE_DIR})
set(CPACK_XBAR_STRIP ${CMAKE_STRIP})
include(CPack)
