# SPDX-License-Identifier: MIT
# Debian packages by CPack, one for each component of XbarInstall.cmake:
# libxbar0, libxbar-dev, xbar. `./dev package` makes them.
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

# ---- The shared library ----
set(CPACK_DEBIAN_LIBRARY_PACKAGE_NAME libxbar0)
set(CPACK_DEBIAN_LIBRARY_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_LIBRARY_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_LIBRARY_PACKAGE_CONTROL_STRICT_PERMISSION ON)
# How those that link it depend on it, and that the loader's cache is stale.
file(WRITE ${PROJECT_BINARY_DIR}/debian/shlibs
     "libxbar 0 libxbar0 (>= ${PROJECT_VERSION})\n")
file(WRITE ${PROJECT_BINARY_DIR}/debian/triggers "activate-noawait ldconfig\n")
set(CPACK_DEBIAN_LIBRARY_PACKAGE_CONTROL_EXTRA
    ${PROJECT_BINARY_DIR}/debian/shlibs ${PROJECT_BINARY_DIR}/debian/triggers)
set(CPACK_COMPONENT_LIBRARY_DESCRIPTION
    "This package has the shared library.${what}")

# ---- Headers, archive, pkg-config, CMake; liburcu is for the archive ----
set(CPACK_DEBIAN_DEV_PACKAGE_NAME libxbar-dev)
set(CPACK_DEBIAN_DEV_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEV_PACKAGE_DEPENDS "libxbar0 ${exactly}")
set(CPACK_DEBIAN_DEV_PACKAGE_SUGGESTS "liburcu-dev")
set(CPACK_COMPONENT_DEV_DESCRIPTION
    "This package has what programs are built with.${what}")

# ---- The program ----
if(TARGET xbar)
    list(APPEND CPACK_COMPONENTS_ALL program)
    set(CPACK_DEBIAN_PROGRAM_PACKAGE_NAME xbar)
    set(CPACK_DEBIAN_PROGRAM_PACKAGE_SECTION misc)
    set(CPACK_DEBIAN_PROGRAM_PACKAGE_SHLIBDEPS ON)
    set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${PROJECT_BINARY_DIR})
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
