"""A classifier of digits that also reconstructs them, from a few labels: with scikit-learn."""

import numpy as np
from sklearn.neighbors import KNeighborsClassifier

import wye

data = np.load("digits.npz")
images = np.concatenate([data["x_train"], data["x_unlabelled"]])  # (N, 8, 8), uint8
labels = np.concatenate([data["y_train"], np.full(len(data["x_unlabelled"]), -1)])

model = wye.SupervisedAutoencoder(
    encoder="C'(32) > C(64) > L(32)",
    classifier="L(64) > L'(classes)",
    epochs=20,
    batch_size=40,
    lr=0.003,
    random_state=0,
)
model.fit(images, labels)  # -1: no label, the decoder alone learns from it
accuracy = model.score(data["x_test"], data["y_test"])

codes = model.transform(data["x_test"])  # (N, 32)
error = np.mean((model.inverse_transform(codes) - data["x_test"]) ** 2) / 255**2

neighbours = KNeighborsClassifier().fit(model.transform(data["x_train"]), data["y_train"])
print(f"accuracy {accuracy:.3f}, squared error of the reconstructions {error:.4f}")
print(f"accuracy of the nearest codes {neighbours.score(codes, data['y_test']):.3f}")
