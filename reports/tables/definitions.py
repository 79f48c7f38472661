"""What the columns of tables mean: one sentence each, shown by the page on request."""

from __future__ import annotations

DEFINITIONS = {
    "n": "Number of runs, each with another seed.",
    "Transfer": "Accuracy on tasks before they are learned, mean over all tasks but the first.",
    "Average": "Accuracy after each of the tasks, mean over them and over all tasks.",
    "Last": "Accuracy after the last task, mean over all tasks.",
    "Learning acc.": "Learning accuracy: on each task right after it was learned, mean over the tasks.",
    "Incremental": "Average incremental accuracy: over all test images of the tasks learned so far and their "
    "classes, mean over the moments after each task.",
    "Last of all images": "Accuracy after the last task over all test images, each counted once.",
    "Many": "Classes with the most training images: a third of them, mean over the classes.",
    "Medium": "Classes with a medium number of training images, mean over the classes.",
    "Few": "Classes with the fewest training images: a third of them, mean over the classes.",
    "Training images": "Images of the class that the run was trained on.",
    "Forgetting ↓": "Best accuracy since a task was learned, minus its last; mean over all tasks but the "
    "last, in points. Lower is better.",
    "BWT": "Backward transfer: last accuracy minus learning accuracy, mean over all tasks but the last, in "
    "points.",
    "FWT": "Forward transfer: accuracy on a task right before it is learned, minus its zero-shot accuracy; mean "
    "over all tasks but the first, in points.",
    "Verdict (Average)": "Whether the difference from the highest Average is real: for other test images "
    "and other seeds together, all pairs tested at 5 % after Holm.",
    "Trainable": "Parameters that train in one task, mean over the tasks.",
    "Stored (MiB)": "Size of the checkpoint after the last task: what differs from the pretrained weights "
    "or comes on top.",
    "Time (s)": "Seconds of learning, all tasks together, without evaluation, on the machine of the run.",
    "Fitted per task": "Settings fitted per task: how many learning rates, numbers of epochs and other values the "
    "settings hold for single tasks; - where a run did not record it.",
    "Difference": "In points, the best row minus this one.",
    "These images: p": "Probability of such a difference by chance of the test images, the trained models "
    "given.",
    "Other seeds": "The metric over seeds, first of the best row, then of this one.",
    "Both": "Interval of the difference for other test images and other seeds together.",
    "Stored": "Numbers in the last checkpoint.",
    "Growth a task (MiB)": "What a task adds to the checkpoint, mean from the second task on.",
    "Images drawn": "Training images handed out, repeats included.",
    "GFLOPs a step": "Floating-point operations of the loss and its gradient in a task's first step.",
    "Matrix rate (%)": "Share of the device's measured rate of matrix products that training reached.",
    "Memory (GiB)": "Highest use of memory by the process.",
    "GPU memory (GiB)": "Highest use of the GPU's memory.",
    "Kept images (MiB)": "Images of learned tasks that the method keeps, at the end, as 8-bit pixels.",
}
