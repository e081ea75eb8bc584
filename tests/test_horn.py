"""HORN: the reference's numbers, and what is known of a damped oscillator and of its symplectic step."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

import torchmass as tm

ARRAYS = {name: torch.from_numpy(v) for name, v in np.load(Path(__file__).parent / "reference" / "horn.npz").items()}
PERTURBED = {"alpha": 0.2, "omega": 0.31, "gamma": 0.05, "v": 0.4}
OMEGA = 2 * math.pi / 28


@pytest.mark.parametrize("dt", [1.0, 0.1])
@pytest.mark.parametrize(("name", "values"), [("default", {}), ("pert", PERTURBED)])
def test_a_step_is_the_reference_s(dt, name, values):
    node = tm.HORNStep(64, **values)
    state = dict(zip(node.states, ARRAYS["state"].T, strict=True))
    after = node(state, dt=dt, x_inp=ARRAYS["inputs"][:, 0])
    torch.testing.assert_close(
        torch.stack([*after.values()], 1), ARRAYS[f"step_dt{dt:g}_{name}"], rtol=1e-13, atol=1e-14
    )


@pytest.mark.parametrize("backend", ["eager", "fused"])
def test_a_run_is_the_reference_s(backend):
    r = tm.Simulator(tm.HORNStep(4, alpha=0.2), dt=1.0, backend=backend).run(200.0, inputs=ARRAYS["seq_in"])
    torch.testing.assert_close(r["x"], ARRAYS["seq_x"], rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(r["y"], ARRAYS["seq_y"], rtol=1e-12, atol=1e-13)


def test_undriven_it_decays_with_gamma_and_turns_with_the_damped_frequency():
    """x = e^(−γt) cos(√(ω² − γ²) t), from its start with the slope −γ, for small steps."""
    dt, frequency = 0.001, math.sqrt(OMEGA**2 - 0.01**2)
    r = tm.Simulator(tm.HORNStep(1, init_x=1.0, init_y=-0.01), dt=dt).run(100.0, sample_every=100)
    exact = torch.exp(-0.01 * r.ts) * torch.cos(frequency * r.ts)
    torch.testing.assert_close(r["x"][:, 0], exact, rtol=0, atol=3e-4)


@pytest.mark.parametrize("h", [0.1, 1.0, 5.0, 8.0])
def test_without_damping_and_force_its_energy_stays_for_100000_steps(h):
    """ω²x² + y² − hω²xy is conserved exactly, so that the energy stays within bounds as long as hω < 2."""
    node = tm.HORNStep(1, alpha=0.0, gamma=0.0, init_x=1.0)
    r = tm.Simulator(node, dt=h).run(1e5 * h)
    x, y = r["x"], r["y"]
    kept = OMEGA**2 * x**2 + y**2 - h * OMEGA**2 * x * y
    torch.testing.assert_close(kept, torch.full_like(kept, OMEGA**2), rtol=1e-9, atol=0)
    energy = OMEGA**2 * x**2 + y**2
    assert energy.max() <= OMEGA**2 / (1 - h * OMEGA / 2) * (1 + 1e-9)


def test_the_force_is_bounded_by_alpha():
    quiet, pushed = (tm.HORNStep(1)(tm.HORNStep(1).initial_state(), dt=1.0, x_inp=u)["y"] for u in (0.0, 1e6))
    torch.testing.assert_close(pushed - quiet, torch.tensor([0.04]))
