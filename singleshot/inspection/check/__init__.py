"""Check a data set for what spoils a training, and fix a copy of it.

Reading order: `options`, `check` (the workflow), `images`, `splits` and `labels` (what is looked
for, beside the reader's own findings and `data.object_checks`), `explanations` (what each kind of
finding does to a training, and what to do about it), `result` (all findings, and the JSON), `text`
(the terminal), `fixing` and `copy_files` (the fixed copy), `page` (the HTML page).
"""
