"""BOLD and functional connectivity are those of nilearn, which most recordings are analysed with."""

import numpy as np
import pytest
import torch

import torchmass as tm
from torchmass.observe.hrf_kernels import KERNELS

pytestmark = pytest.mark.slow  # its import, by which it brings scikit-learn and pandas

canonical = pytest.mark.parametrize("name", ["spm", "glover"])


@canonical
def test_canonical_responses_are_nilearns(name):
    from nilearn.glm import first_level

    expected = torch.as_tensor(getattr(first_level, f"{name}_hrf")(1.0, oversampling=10))
    late = torch.linspace(0, 32_000, 320) - 100  # as they are sampled there: from one sample on
    found = KERNELS[name]()(late)
    torch.testing.assert_close(found / found.sum(), expected, rtol=1e-9, atol=1e-14)


@canonical
def test_the_bold_of_blocks_is_nilearns_regressor(name):
    """Onsets, durations, sampling and units: all but the area, which is 1 there, and nilearn's step of 10 ms."""
    from nilearn.glm.first_level import compute_regressor

    blocks = np.array([[10.0, 40.0], [15.0, 5.0], [1.0, 0.5]])  # onsets and durations in s, heights
    expected, _ = compute_regressor(blocks, name, np.arange(1, 61) * 2.0, oversampling=200, min_onset=0)
    z = torch.zeros(12_000, 1)
    z[1000:2500], z[4000:4500] = 1.0, 0.5
    area = tm.HRFBold(name)(torch.ones(3200, 1), dt=10.0)[-1]
    found = tm.HRFBold(name, tr=2000.0)(z, dt=10.0) / area
    torch.testing.assert_close(found, torch.as_tensor(expected), rtol=0, atol=2e-3)


@pytest.mark.parametrize(
    ("kind", "ours"),
    [
        ("correlation", tm.objectives.functional_connectivity),
        ("covariance", lambda x: tm.objectives.lagged_covariance(x) * (len(x) - 1) / len(x)),  # over T there
    ],
)
def test_connectivity_is_nilearns(kind, ours):
    from nilearn.connectome import ConnectivityMeasure
    from sklearn.covariance import EmpiricalCovariance  # the default there shrinks

    x = torch.randn(60, 5).cumsum(0)
    measure = ConnectivityMeasure(kind=kind, cov_estimator=EmpiricalCovariance(store_precision=False))
    np.testing.assert_allclose(ours(x).numpy(), measure.fit_transform([x.numpy()])[0], rtol=1e-10, atol=1e-12)
