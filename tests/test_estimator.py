"""The estimator by scikit-learn's own checks, and what those do not know of images."""

from __future__ import annotations

import io
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks

from wye.estimator import SupervisedAutoencoder

Arrays = tuple[np.ndarray, np.ndarray]
FAILING = {
    "check_sample_weight_equivalence_on_dense_data": (
        "the check shuffles the images, and the order in which they are learned follows"
    ),
    "check_classifiers_classes": "it has a class called -1, which marks images without a label",
}


def failing(estimator: Any) -> dict[str, str]:
    assert len(FAILING) <= 10
    return FAILING


@parametrize_with_checks([SupervisedAutoencoder(random_state=0)], expected_failed_checks=failing)
def test_scikit_learn(estimator: Any, check: Any) -> None:
    check(estimator)


@pytest.fixture(scope="module")
def digits() -> Arrays:
    found = load_digits()
    return (found.images * 15).astype(np.uint8)[:400], found.target[:400]


@pytest.fixture(scope="module")
def fitted(digits: Arrays) -> SupervisedAutoencoder:
    images, labels = digits
    return SupervisedAutoencoder(epochs=12, random_state=0).fit(images[:300], labels[:300])


def test_it_learns_to_classify_and_to_reconstruct(
    fitted: SupervisedAutoencoder, digits: Arrays
) -> None:
    images, labels = (part[300:] for part in digits)
    assert fitted.score(images, labels) > 0.7
    again = fitted.inverse_transform(fitted.transform(images))
    assert again.shape == images.shape
    error = ((again - images.astype(float)) ** 2).mean()
    assert error < 0.6 * ((images - digits[0][:300].mean(0)) ** 2).mean()


def test_flat_images_and_those_with_a_channel_are_the_same(digits: Arrays) -> None:
    images, labels = (part[:60] for part in digits)
    flat = images.reshape(60, 64)
    model = SupervisedAutoencoder(epochs=1, random_state=0)
    plain, with_channel = clone(model).fit(images, labels), clone(model)
    wanted = plain.predict_proba(images)
    with_channel.fit(images[..., None], labels)
    assert np.array_equal(with_channel.predict_proba(images[..., None]), wanted)
    of_flat = clone(model).set_params(image_shape=(8, 8)).fit(flat, labels)
    assert np.array_equal(of_flat.predict_proba(flat), wanted)
    assert of_flat.inverse_transform(of_flat.transform(flat)).shape == (60, 64)
    with pytest.raises(ValueError, match="were trained on"):
        plain.predict(images[:, :, :5])


def test_labels_of_names_and_images_without(digits: Arrays) -> None:
    images, labels = digits
    names = np.array([f"digit {label}" for label in labels], dtype=object)
    names[100:300] = -1
    model = SupervisedAutoencoder(epochs=20, random_state=0).fit(images[:300], names[:300])
    assert set(model.classes_) == {f"digit {at}" for at in range(10)}
    assert model.score(images[300:], names[300:].astype(str)) > 0.6
    alone = SupervisedAutoencoder(epochs=20, random_state=0).fit(images[:100], names[:100])
    assert not np.allclose(alone.transform(images[:5]), model.transform(images[:5]))
    with pytest.raises(ValueError, match="no classes to learn"):
        model.fit(images[:5], [-1] * 5)


def test_class_weights_move_the_decision(digits: Arrays) -> None:
    images, labels = digits[0][:200], (digits[1][:200] == 3).astype(int)

    def threes(weight: Any) -> int:
        model = SupervisedAutoencoder(epochs=2, class_weight=weight, random_state=0)
        return int(model.fit(images, labels).predict(images).sum())

    assert threes({0: 1000.0}) < threes({1: 1000.0})


def test_whole_weights_repeat_an_image(digits: Arrays) -> None:
    images, labels = (part[:60] for part in digits)
    weights = np.arange(60) % 3
    model = SupervisedAutoencoder(epochs=1, random_state=0)
    by_weight = clone(model).fit(images, labels, sample_weight=weights)
    repeated = clone(model).fit(images.repeat(weights, 0), labels.repeat(weights))
    assert np.array_equal(by_weight.predict_proba(images), repeated.predict_proba(images))


def test_warm_start_goes_on(digits: Arrays) -> None:
    images, labels = (part[:200] for part in digits)
    model = SupervisedAutoencoder(epochs=3, warm_start=True, random_state=0).fit(images, labels)
    before = model.score(images, labels)
    model.fit(images, labels)
    assert model.n_iter_ == 6 and model.score(images, labels) > before
    with pytest.raises(ValueError, match="the classes were"):
        model.fit(images, labels + 1)


def test_it_is_searched_over_validated_and_piped(digits: Arrays) -> None:
    images, labels = (part[:90] for part in digits)
    model = SupervisedAutoencoder(epochs=1, random_state=0)
    search = GridSearchCV(model, {"beta": [0.0, 1.0]}, cv=2).fit(images, labels)
    assert np.isfinite(search.cv_results_["mean_test_score"]).tolist() == [True, True]
    assert np.isfinite(cross_val_score(model, images, labels, cv=2)).all()
    pipe = make_pipeline(FunctionTransformer(lambda x: 255 - x), clone(model)).fit(images, labels)
    assert pipe.predict(images).shape == (90,)


def test_a_dump_is_read_back_and_holds_no_code(
    fitted: SupervisedAutoencoder, digits: Arrays
) -> None:
    buffer = io.BytesIO()
    joblib.dump(fitted, buffer)
    assert b"torch" not in buffer.getvalue() and b"lambda" not in buffer.getvalue()
    buffer.seek(0)
    again = joblib.load(buffer)
    assert np.array_equal(again.predict_proba(digits[0]), fitted.predict_proba(digits[0]))
