"""Look at a data set, and at what training sees of it.

Read `singleshot.data` first; then a folder for each command: `statistics` (`data stats`), `check`,
`splitting` (`data split`), `coverage`, `preview`.
"""
