# SPDX-License-Identifier: MIT
"""What becomes of the figures: JSON, a table, a page, docs, a comparison."""
