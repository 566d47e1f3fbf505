"""Annotation formats: what their files state, read and written.

Read `annotations` (what a reader returns), `format` (the contract), then the formats: `voc`,
`coco`, `imglab`, `cvat`, `label_studio`, `via`, `tfrecord`, `yolo`, `open_images`, `csv_table`,
`labelme`, `shards`. They share `entries` (values in JSON, CSV and YAML), `csv_files`, `xml_files`,
`split_names` and `copying` (images, for writers). `singleshot.data.opening` lists them.
"""
