#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Public headers as Doxygen wants them. They are written in the kernel's form:

    /**                                 /**
     * verb_noun() - what it does        * @brief what it does
     * @name: what it is                 * @param name what it is
     *                             -->   *
     * Return: when what                 * @return when what
     */                                  */

and say of fields and enumerators in plain comments what they are.
"""

import re
import sys

TITLE = re.compile(r"^\w+\(\)(?:,? /? ?\w+\(\))* - ")
SEVERAL = re.compile(r"^\w+\(\)(?:,| /) ")
PARAMETER = re.compile(r"^@(\w+(?:, @\w+)*):\s*")
OUTCOME = re.compile(r"^(?:Return|Context)(?: \([^)]*\))?:\s*")
NAME = re.compile(r"(?<![\w@\\])@(\w+)")


def escape(text):
    """No command and no tag is ever meant."""
    text = re.sub(r"([<>#&])", r"\\\1", text)
    text = NAME.sub(r"\\p \1", text)
    return text.replace("`\\p ", "`")


def is_drawing(line):
    """Code and drawings are indented: they stay what they are."""
    return line.startswith("    ")


def body_line(line, is_shared=False):
    """One line of a comment, without its star. What several functions share need
    not be true of each."""
    if is_drawing(line):
        return line
    found = PARAMETER.match(line)
    if found:
        names = re.sub(r"@", "", found.group(1)).replace(", ", ",")
        text = escape(line[found.end() :])
        return f"- `{names}`: {text}" if is_shared else f"@param {names} {text}"
    found = OUTCOME.match(line)
    if found:
        name, text = line[: found.end()].rstrip(), escape(line[found.end() :])
        if name == "Return:" and not is_shared:
            return f"@return {text}"
        return f"@par {name}\n * {text}"
    return escape(line)


def convert(lines, is_first):
    """The inside of a documentation comment."""
    if lines and is_first:
        return ["@file"] + [body_line(line) for line in lines]
    if lines and TITLE.match(lines[0]):
        is_shared = SEVERAL.match(lines[0]) is not None
        return ["@brief " + body_line(TITLE.sub("", lines[0]))] + [
            body_line(line, is_shared) for line in lines[1:]
        ]
    return [body_line(line) for line in lines]


def inside_of(comment):
    """Lines of a comment without what frames them."""
    text = re.sub(r"^\s*/\*\*?<?|\*/\s*$", "", comment)
    lines = [re.sub(r"^\s*\*? ?", "", part, count=1) if number else part.strip()
             for number, part in enumerate(text.split("\n"))]
    while lines and not lines[0].strip():
        lines.pop(0)
    while lines and not lines[-1].strip():
        lines.pop()
    return lines


def write(lines, opener):
    return "/*" + opener + "\n" + "".join(
        f" * {line}".rstrip() + "\n" for line in lines
    ) + " */"


COMMENT = re.compile(r"/\*.*?\*/", re.S)


def close_group(text):
    """One text was for the declarations up to the next blank line."""
    return text.replace("\n\n", "\n/** @} */\n\n", 1)


def filtered(text):
    """Line numbers change where a comment was on one line: nobody minds."""
    out = []
    at = 0
    is_first = True
    in_group = False
    for found in COMMENT.finditer(text):
        before = text[at : found.start()]
        if in_group and "\n\n" in before:
            before = close_group(before)
            in_group = False
        out.append(before)
        comment = found.group(0)
        line = text[text.rfind("\n", 0, found.start()) + 1:found.start()]
        lines = inside_of(comment)
        if comment.startswith("/**"):
            if SEVERAL.match(lines[0]) and not is_first:
                out.append("/** @{ */\n") # one text, several declarations
                in_group = True
            out.append(write(convert(lines, is_first), "*"))
            is_first = False
        elif in_aggregate("".join(out)):
            out.append(write(convert(lines, False), "*<" if line.strip() else "*"))
        else:
            out.append(comment)
        at = found.end()
    out.append(close_group(text[at:]) if in_group else text[at:])
    return "".join(out)


def in_aggregate(text):
    """Is the innermost open brace a structure's or an enumeration's?"""
    stack = []
    for found in re.finditer(r"/\*.*?\*/|[{}]", text, re.S):
        brace = found.group(0)
        if brace == "{":
            head = text[max(text.rfind(";", 0, found.start()),
                            text.rfind("}", 0, found.start()),
                            text.rfind("*/", 0, found.start())) + 1:
                        found.start()]
            stack.append(re.search(r"\b(struct|union|enum)\b[^()=]*$", head))
        elif brace == "}" and stack:
            stack.pop()
    return bool(stack) and bool(stack[-1])


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as file:
        sys.stdout.write(filtered(file.read()))
