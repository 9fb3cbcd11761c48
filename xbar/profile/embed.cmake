# SPDX-License-Identifier: MIT
# cmake -DIN=FILE -DOUT=FILE -P embed.cmake: the bytes of a file, to be included
# in an array's braces. A terminating zero follows.
file(READ ${IN} bytes HEX)
string(REGEX REPLACE "(................................)" "\\1\n" bytes "${bytes}")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
file(WRITE ${OUT} "/* Made of ${IN}. */\n${bytes}0x00\n")
