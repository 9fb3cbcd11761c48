/* SPDX-License-Identifier: MIT */
/*
 * Names that others chose, of files and in them: any bytes but NUL.
 */
#ifndef XBAR_TEXT_H
#define XBAR_TEXT_H

#include <stddef.h>

/*
 * text_clean() - @text as a line of UTF-8, whatever it is
 * @out: of @size bytes, at least 1; what does not fit is cut off
 *
 * '?' stands for each byte that is not part of a printable character: a file
 * format takes it for its own syntax, or a terminal for a command.
 */
void text_clean(char *out, size_t size, const char *text);

#endif
