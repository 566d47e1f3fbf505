"""The detector in a browser: the files of the web export, and of a page that a server shows.

In the order of a detection; the Python beside them joins them into one page.

1. `worker.js`: the detector runs in a worker, so that the page stays responsive.
2. `resizing.js`: from pixels to the input of the model.
3. `detector.js`: all together, with onnxruntime-web as the runtime.
4. `selection.js`: from outputs to detections.
5. `local.js`: the page's side, which unpacks model and runtime and starts the worker; `local.py`
   puts them into the page.
6. `page_files/server.js` in its place: the detections of a server.
7. `page.py` with `page_files`: the page, whichever of the two its detections come from.
"""
