"""The images of the examples: handwritten digits, of which two hundred have a label.

python digits.py writes them to digits.npz.
"""

import numpy as np
from sklearn.datasets import load_digits

found = load_digits()
images, labels = (found.images / 16 * 255).astype(np.uint8), found.target  # (N, 8, 8), (N,)
np.savez(
    "digits.npz",
    x_train=images[:200],
    y_train=labels[:200],
    x_unlabelled=images[200:1000],
    x_test=images[1000:],
    y_test=labels[1000:],
)
