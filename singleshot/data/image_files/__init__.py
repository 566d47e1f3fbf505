"""Image files: finding, reading and comparing them.

Read `decoding` (a file as pixels), `headers` (size and state without decoding), `finding` (the file
that annotations name), `archives` (images inside other files), `paths` (many paths in little
memory), `hashes` and `duplicates` (images that look alike), `inputs` (what `detect` takes).
"""
