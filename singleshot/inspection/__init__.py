"""What is in a data set and what training sees of it, with pages.

Read `singleshot.data` first.
"""
