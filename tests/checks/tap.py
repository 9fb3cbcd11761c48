# SPDX-License-Identifier: MIT
"""TAP for the checks: a case is a rule, a problem is a line of diagnosis."""

import sys


class Tap:
    """Prints cases as they come and the plan at the end."""

    def __init__(self):
        self.count = 0
        self.failed = 0

    def case(self, name, problems):
        """One rule: passed if @problems is empty."""
        self.count += 1
        problems = list(problems)
        word = "not ok" if problems else "ok"
        print(f"{word} {self.count} - {name}")
        for problem in problems:
            print(f"#   {problem}")
        self.failed += bool(problems)

    def end(self):
        """Ends the program."""
        print(f"1..{self.count}")
        sys.exit(1 if self.failed else 0)
