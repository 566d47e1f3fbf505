"""Train a detector: from a recipe and annotated images to a run folder.

In reading order, along the path of a recipe:

options         the options of `singleshot.train` and `singleshot train`
train           the workflow: recipe, data, plan, training, report
record          the command that began a run
resume          whether a run starts, resumes or is refused
starting_recipe the recipe, as far as it depends on a detector to start from
start           that detector: what its classes become; `pruning` of its channels
automatic       `train auto`: the recipe chosen for the data and the machine
quantization    what `--quantize` changes in a recipe, and the first ranges
requirements    objects to learn from, images for batch norm
plan            batch size, self-test, profile and time budget, resolved before the first step
build           model, optimizer and batches from a recipe: where its keys act
loop            the training loop
gradients       gradients of a batch in parts and over processes
optimizers      SGD and AdamW, learning-rate schedule, average of the weights
batch_norm      batch norm over several processes
precision       float32 or bfloat16
frozen          parts that are not trained
faster_layers   layers with the same results for processors: `depthwise`, `frozen_layers`,
                `activations`; `convolutions` holds what they share
step_monitor    records of steps; a non-finite loss ends the training
divergence      a training that destroys its start ends
validation      validation during the training, and the report after it
run_images      the first augmented batch and detections of a validation, drawn
state           the saved state, from which a run resumes bit for bit
interrupt       Ctrl-C and SIGTERM
processes       several processes and machines
largest_batch   the largest batch that memory takes
self_test       checks before a run: one batch is overfitted
profile         time of a step by part
time_budget     steps and validations that fit into a wall time
precautions     memory, compilers, errors with a remedy
mlflow_log      the run in MLflow
"""
