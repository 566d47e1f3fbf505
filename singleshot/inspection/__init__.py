"""Reports on a data set and on what training sees of it, with pages.

Read `singleshot.data` first.
"""
