"""Choose a recipe for a data set, a machine and a time: `singleshot train auto`.

Read `facts` first: what is looked at. Each rule is a function of facts that returns choices, a key
of the recipe with its value and the reason: `shape_rules` (input, levels), `prior_rules`,
`result_rules` (detections), `schedule_rules` (batch, rate, epochs), `validation_rules`,
`balance_rules` (rare classes), `augmentation_rules`. Their numbers are in `constants`.
`choose` puts them together under the limits of `limits`; `chosen_recipe` writes the result as an
ordinary recipe file, each key with its reason.
"""
