# SPDX-License-Identifier: MIT
# CPack runs this between installing and packing, for what Debian's policy wants:
# licence and changelog in each package, manual pages compressed, archives
# without what debuggers need.
set(version ${CPACK_PACKAGE_VERSION}-${CPACK_DEBIAN_PACKAGE_RELEASE})

function(gzip path)
    execute_process(COMMAND gzip -9nf ${path} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

function(write_changelog path package)
    string(TIMESTAMP date "%a, %d %b %Y %H:%M:%S +0000" UTC)
    file(WRITE ${path} "${package} (${version}) unstable; urgency=medium\n\n"
        "  * Packed from the source tree, whose CHANGELOG.md says what is new.\n\n"
        " -- ${CPACK_DEBIAN_PACKAGE_MAINTAINER}  ${date}\n")
    gzip(${path})
endfunction()

function(write_copyright path)
    file(READ ${CPACK_XBAR_SOURCE_DIR}/LICENSE licence)
    string(REGEX MATCH "Copyright[^\n]*" holder "${licence}")
    string(REGEX REPLACE "^.*authors\n\n" "" terms "${licence}")
    string(REGEX REPLACE "\n\n" "\n.\n" terms "${terms}")
    string(REGEX REPLACE "\n(.)" "\n \\1" terms "\n${terms}")
    string(REPLACE "Copyright (c) " "" holder "${holder}")
    file(WRITE ${path}
        "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n"
        "Upstream-Name: xbar\n\nFiles: *\nCopyright: ${holder}\n"
        "License: Expat${terms}")
endfunction()

foreach(component ${CPACK_COMPONENTS_ALL})
    string(TOUPPER ${component} upper)
    set(package ${CPACK_DEBIAN_${upper}_PACKAGE_NAME})
    set(root ${CPACK_TEMPORARY_INSTALL_DIRECTORY}/${component})
    set(usr ${root}${CPACK_PACKAGING_INSTALL_PREFIX})
    set(doc ${usr}/share/doc/${package})
    file(MAKE_DIRECTORY ${doc})
    write_copyright(${doc}/copyright)
    write_changelog(${doc}/changelog.Debian ${package})
    file(GLOB pages ${usr}/share/man/man*/*.[0-9])
    foreach(page ${pages})
        gzip(${page})
    endforeach()
    file(GLOB_RECURSE archives ${usr}/lib/*.a)
    foreach(archive ${archives})
        execute_process(COMMAND ${CPACK_XBAR_STRIP} --strip-debug ${archive}
                        COMMAND_ERROR_IS_FATAL ANY)
    endforeach()
endforeach()
