/* SPDX-License-Identifier: MIT */
/* What registers there are, in gdb's words. */
#ifndef XBAR_GDB_TARGET_XML_H
#define XBAR_GDB_TARGET_XML_H

#include <stddef.h>

/*
 * gdb_target_xml() - target.xml
 * @length: gets its length
 *
 * Return: terminated text, to be freed; NULL: no memory.
 */
char *gdb_target_xml(size_t *length);

#endif
