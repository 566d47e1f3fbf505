"""Consequence of each kind of finding for a training or the numbers, and what to do about it.

Imports no PyTorch: the command line prints from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from singleshot.data.findings import KINDS, FindingKind, Severity

__all__ = ["EXPLANATIONS", "Explanation", "severity_of", "title_of"]


@dataclass(frozen=True)
class Explanation:
    """A kind of finding in words."""

    consequence: str  # one sentence
    remedy: str  # "" where nothing has to be done
    title: str = ""  # as the line of a Kind; "" where that line is the title
    severity: Severity | None = None  # None: that of the Kind
    fixed: bool = False  # whether --fix fixes it


EXPLANATIONS: Mapping[str, Explanation] = {
    "entry": Explanation(
        "No training begins: an entry that cannot be used may be any object or image.",
        "Correct or remove the entry; --fix leaves it out.",
        fixed=True,
    ),
    "file": Explanation(
        "No training begins: the annotation of an image cannot be read.",
        "Repair or remove the file; --fix leaves it out.",
        fixed=True,
    ),
    "missing-image": Explanation(
        "No training begins: there is an annotation, and no image that it is about.",
        "Restore the image, remove its entry, or name the folder of the images with --images; "
        "--fix leaves the entry out.",
        title="{images} annotated but missing",
        fixed=True,
    ),
    "ambiguous-image": Explanation(
        "No training begins: it is unknown which of several images an annotation is about.",
        "Write the folder before the file name; --fix leaves the entry out.",
        fixed=True,
    ),
    "outside-link": Explanation(
        "No training begins: a symbolic link leads out of the folder of the data set, which may "
        "be meant or an attack.",
        "Copy what it points to, or allow it with --follow-links; --fix leaves the entry out.",
        fixed=True,
    ),
    "size": Explanation(
        "No training begins: the boxes belong to an image of another size, so they would lie in "
        "the wrong places.",
        "If the images were resized after they were annotated, --rescale-boxes scales the boxes, "
        "also those that --fix writes; otherwise annotate them anew.",
        fixed=True,
    ),
    "fractions": Explanation(
        "No training begins: as pixels all boxes would be smaller than a pixel.",
        "If these are fractions of the image, --normalized reads them, also for --fix.",
    ),
    "pixels": Explanation(
        "No training begins: as fractions nearly all boxes would lie outside their images.",
        "If these are pixels, leave out --normalized.",
    ),
    "unreadable-image": Explanation(
        "The image is left out of training and evaluation, with all of its objects.",
        "Copy the file again, or remove it with its annotation; --fix leaves both out.",
        title="{images} that cannot be read",
        fixed=True,
    ),
    "truncated-image": Explanation(
        "The end of the file is missing: what it lacks is grey, and objects there cannot be "
        "learned.",
        "Copy the file again; --fix saves it anew, as far as it goes.",
        title="{images} cut short",
        fixed=True,
    ),
    "without-area": Explanation(
        "The box is dropped: it encloses nothing, which is mostly a slip of the mouse, and the "
        "object in the image is then trained on as background.",
        "Draw the box anew, or remove it; --fix leaves it out.",
        title="{boxes} without area",
        fixed=True,
    ),
    "outside": Explanation(
        "The box is dropped: nothing of it is in the image.",
        "Look whether it belongs to another image, or remove it; --fix leaves it out.",
        title="{boxes} wholly outside the image",
        fixed=True,
    ),
    "clipped": Explanation(
        "The box is clipped to the image, in training and in evaluation; by other tools perhaps "
        "not, whose numbers then differ a little.",
        "Nothing, or clip it in the annotation; --fix does.",
        title="{boxes} reaching beyond the image",
        fixed=True,
    ),
    "mostly-outside": Explanation(
        "The box is clipped to the image, and what is left is a small part of it: it may belong to "
        "another image, or to the image at another resolution.",
        "Look at it, and correct or remove it; --fix clips it.",
        title="{boxes} mostly outside the image",
        fixed=True,
    ),
    "swapped": Explanation(
        "The corners are put in order; other tools drop such a box, or get NaN from it.",
        "Nothing, or put them in order in the annotation; --fix does.",
        title="{boxes} with swapped corners",
        fixed=True,
    ),
    "polygon": Explanation(
        "The bounding box of the polygon is used.",
        "",
        title="{polygons} without a box",
        fixed=True,
    ),
    "rotated": Explanation(
        "The upright box around the rotated one is used.",
        "",
        title="{boxes} that are rotated",
        fixed=True,
    ),
    "no-box": Explanation(
        "A point or a line is left out: it encloses nothing.",
        "Draw a box, if there is an object; --fix leaves the shape out.",
        title="{shapes} that are no boxes, such as points and lines",
        fixed=True,
    ),
    "several-boxes": Explanation(
        "Each box is taken as an object of its own; other tools take the first box alone.",
        "Write an object for each box; --fix does.",
        title="{objects} with several boxes",
        fixed=True,
    ),
    "turned": Explanation(
        "The boxes were drawn on the image before its EXIF orientation was applied: they are "
        "turned with it; other tools put them into the wrong place.",
        "Nothing, or turn the boxes in the annotation; --fix does.",
        title="{images} annotated before EXIF orientation",
        fixed=True,
    ),
    "rescaled": Explanation(
        "The boxes are scaled to the size of the image, because of --rescale-boxes.",
        "Give --rescale-boxes to each command, or take the copy that --fix writes.",
        title="{images} of another size than annotated, whose boxes are scaled",
        fixed=True,
    ),
    "renamed-class": Explanation(
        "Its objects are read as those of another class, because of --rename-class.",
        "Give --rename-class to each command, or take the copy that --fix writes.",
        title="{classes} with another name",
        fixed=True,
    ),
    "left-out-class": Explanation(
        "Its objects are left out, because of --rename-class, and their images stay.",
        "Give --rename-class to each command, or take the copy that --fix writes.",
        title="{classes} left out",
        fixed=True,
    ),
    "no-such-class": Explanation(
        "Nothing is renamed: no class has this name.",
        "Compare the name with those of the classes; another split may have it.",
    ),
    "merged": Explanation(
        "All entries of an image are joined; other tools take each for an image of its own, in "
        "which the objects of the others are missing.",
        "Write one entry for each image; --fix does.",
        title="{images} listed more than once",
        fixed=True,
    ),
    "found-by-name": Explanation(
        "The image is not in the annotated place; the one of the same name is taken.",
        "Look whether it is the right one, and correct the path; --fix does.",
        title="{images} found by name alone",
        fixed=True,
    ),
    "skipped": Explanation("It is left out.", "Correct it, or leave it so.", fixed=True),
    "not-annotated": Explanation(
        "The image is not used at all, neither for training nor as an image without objects.",
        "Annotate it; an image without objects needs an annotation without objects.",
        title="{images} without annotation",
    ),
    "similar-classes": Explanation(
        "They are trained as different classes, though they mostly are one: each is a wrong answer "
        "for the objects of the other, and average precision falls for both.",
        "Rename one; --fix joins them under the more frequent name (--keep-classes does not).",
        title="{pairs} of classes that differ by case or spaces alone",
        severity="error",
        fixed=True,
    ),
    "reader": Explanation("Remarks on how the data set was read.", "", title="{remarks}"),
    "no-images": Explanation(
        "No training begins: there are annotations, and none of their images.",
        "Restore the images, or name their folder: --images DIR.",
        title="annotations without a single image",
    ),
    "no-usable-image": Explanation(
        "There is nothing to train on.",
        "Look at the other findings, at the folder, and at --images.",
    ),
    "no-object": Explanation(
        "There is nothing to train on: no image has an object.",
        "Annotate some, or look whether the annotations belong to these images.",
        title="no objects to train on",
    ),
    "broken-image": Explanation(
        "A training stops when it comes to this image.",
        "Copy the file again, or remove it with its annotation; --fix leaves both out.",
        fixed=True,
    ),
    "shared-by-splits": Explanation(
        "Images that are trained on are also evaluated on: the numbers are better than on new "
        "images.",
        "Remove them from one of the splits; --fix keeps them in that to evaluate on.",
        fixed=True,
    ),
    "copy-across-splits": Explanation(
        "Copies of images that are trained on are evaluated on: the numbers are better than on new "
        "images.",
        "Remove the copies from the training split; --fix keeps the one to evaluate on.",
        fixed=True,
    ),
    "alike-across-splits": Explanation(
        "If these are frames of a video or edits of one photograph, the numbers are better than on "
        "new images.",
        "Look at them; split so that images that belong together stay together.",
    ),
    "copy": Explanation(
        "The same image is trained on several times an epoch and counts several times in "
        "evaluation; where the copies are annotated differently, they contradict each other.",
        "Remove the copies; --fix keeps the first.",
        fixed=True,
    ),
    "alike": Explanation(
        "There is less variety than the number of images suggests; frames of a video or edits of a "
        "photograph are worth little more than one of them.",
        "Look at them; remove some, or keep each group in one split.",
    ),
    "in-no-split": Explanation(
        "The image is neither trained nor evaluated on where a split is chosen.",
        "Add it to a split, or leave it so.",
    ),
    "annotated-twice": Explanation(
        "One object counts as two: the best detector misses one of them, and both pull at the same "
        "priors.",
        "Remove one of the boxes; --fix removes the second.",
        fixed=True,
    ),
    "two-classes": Explanation(
        "The same place is annotated as two classes: a detector that finds one is wrong about the "
        "other.",
        "Remove the wrong one, unless objects do have two classes.",
    ),
    "tiny": Explanation(
        "The box is less than 3 pixels wide or high, or less than 1 pixel of the resized image: no "
        "detector finds it, and it counts as missed.",
        "Look whether it is a slip of the mouse; else use a larger --input, or crop the images.",
    ),
    "whole-image": Explanation(
        "If the box stands for the image instead of an object, the detector learns to answer with "
        "the whole image.",
        "Look whether an object fills the image; else draw its box.",
    ),
    "unused-class": Explanation(
        "The class has outputs, which are never trained; it is not detected, and has no average "
        "precision.",
        "Annotate objects of it, or remove it from the list of classes.",
    ),
    "rare-class": Explanation(
        "A class is hardly learned from so few objects, and its average precision is a matter of "
        "chance, though it counts in the mean like any other.",
        "Annotate more of them, or leave the class out.",
    ),
    "id-gap": Explanation(
        "No harm here: labels are counted anew; a tool that takes the ids as labels needs outputs "
        "for those that are missing.",
        "",
    ),
    "empty-image": Explanation(
        "No harm if nothing is to be seen in it: it is trained on as background, and so are "
        "objects that were forgotten.",
        "Look at some of them.",
    ),
    "difficult-only": Explanation(
        "Such objects are trained on, and evaluation by PASCAL VOC's rules counts none of them.",
        "",
    ),
    "odd-size": Explanation(
        "All images are resized to one input: objects look stretched or become much smaller than "
        "in the others.",
        "Look whether the image belongs to the data set; crop it if it is large.",
    ),
    "turned-by-exif": Explanation(
        "No harm here: the image is turned as viewers do, and its boxes are those of the turned "
        "image; tools that ignore EXIF put them into the wrong place.",
        "",
    ),
    "grey-image": Explanation(
        "A grey image among colour ones is a second look of the same classes; mostly an accident.",
        "Look whether colour was lost.",
    ),
    "cmyk-image": Explanation(
        "It is converted to RGB without a colour profile, so that its colours differ a little.",
        "Save it as RGB.",
    ),
    "suspected-missing": Explanation(
        "The model finds an object, as surely as it finds annotated ones, where nothing is "
        "annotated: if it is right, the object is trained on as background, and a detection of it "
        "counts as a false positive.",
        "Look at each; annotate the object if there is one.",
    ),
    "suspected-class": Explanation(
        "The model finds another class than annotated, as surely as it finds others: if it is "
        "right, the wrong class is learned.",
        "Look at each; correct the class if it is wrong.",
    ),
    "suspected-box": Explanation(
        "The model finds another box than annotated, as surely as it finds others: a misplaced box "
        "costs accuracy at strict IoU thresholds.",
        "Look at each; draw the box anew if it does not fit.",
    ),
}


def severity_of(kind: str) -> Severity:
    """Return how serious a kind of finding is for a data set as a whole."""
    return EXPLANATIONS[kind].severity or KINDS[kind].severity


def title_of(kind: str, count: int) -> str:
    """Count the findings of a kind, as in "2 boxes without area"."""
    title = EXPLANATIONS[kind].title or KINDS[kind].line
    return FindingKind("note", title).describe(count)
