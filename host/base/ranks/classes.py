"""Writes host/base/bpe_classes.c: the classes of characters that the vocabularies' split patterns ask for, from
Unicode's general categories. Needs `pip install unicodedata2==16.0.0`: 16.0 is what tiktoken's regular expressions know.

    python3 host/base/ranks/classes.py >host/base/bpe_classes.c
"""

import unicodedata2

assert unicodedata2.unidata_version == "16.0.0", unicodedata2.unidata_version
WHITE = {*range(0x09, 0x0E), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000}


def class_of(code):
    if code in (0x0A, 0x0D):
        return "NEWLINE"
    if code in WHITE:
        return "SPACE"
    category = unicodedata2.category(chr(code))
    names = {"Lu": "UPPER", "Lt": "UPPER", "Ll": "LOWER", "Lm": "LETTER", "Lo": "LETTER"}
    return names.get(category) or {"M": "MARK", "N": "NUMBER"}.get(category[0], "OTHER")


def runs():
    """(first code, class); CASED: UPPER and LOWER by turns."""
    classes = [class_of(code) for code in range(0x110000)] + [None]
    at = 0
    while at < 0x110000:
        end = at + 1
        if classes[at] == "UPPER" and classes[end] == "LOWER":
            while classes[end] == ("LOWER" if (end - at) % 2 else "UPPER"):
                end += 1
            # What comes next may begin with the last of them.
            if classes[end] == classes[end - 1]:
                end -= 1
            if end - at > 2:
                yield at, "CASED"
                at = end
                continue
            end = at + 1
        while classes[end] == classes[at]:
            end += 1
        yield at, classes[at]
        at = end


ORDER = ["UPPER", "LOWER", "LETTER", "MARK", "NUMBER", "SPACE", "NEWLINE", "OTHER", "CASED"]
print("/* Made by ranks/classes.py from the general categories of Unicode 16.0. Each number is 16 times the first code of")
print(" * a run, plus its class. */")
print('#include "base/bpe_classes.h"\n\n/* clang-format off */')
print("const uint32_t mg_bpe_runs[] = {")
line = "   "
numbers = [start * 16 + ORDER.index(name) for start, name in runs()]
for number in numbers:
    word = " 0x%x," % number
    if len(line) + len(word) > 120:
        print(line)
        line = "   "
    line += word
print(line + "\n};\nconst size_t mg_bpe_n_runs = sizeof mg_bpe_runs / sizeof mg_bpe_runs[0];")
