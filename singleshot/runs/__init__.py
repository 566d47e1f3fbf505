"""Run folders: the files that a training writes and others read.

folder      paths of the files; whether a run can start or resume
callbacks   what a training calls as it proceeds
display     progress on terminals, in notebooks and in logs
splits      splits.json: the images trained on and validated on
log         log.jsonl and TensorBoard
progress    steps and validations done, as the saved state has them
weights     a checkpoint of a run and the score thresholds chosen for it
"""
