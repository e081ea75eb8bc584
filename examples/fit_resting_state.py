"""Fit a network of Hopf nodes to a resting-state fMRI recording by gradient descent through the simulation.

The recording (28 regions, 250 samples, TR 1.89 s) comes with nitime: pip install 'torchmass[data,fit,viz]'. Its first
half is fitted, raw; its second half only scores the result. There is no connectome for these regions, so every weight
between two of them is free and may have either sign.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from torch import Tensor
from torch.distributions import Normal
from tqdm import tqdm

import torchmass as tm
from torchmass.datasets import Recording, nitime_fmri
from torchmass.objectives import fc_correlation, functional_connectivity, lagged_correlation
from torchmass.viz import plot_functional_connectivity, plot_timeseries

DT = 630.0  # ms, three steps of a fourth-order method per TR
TRANSIENT = 20  # TRs, 38 s: seven times 1/|a| at the start of the fit
ROWS = ("loss, first half", "FC correlation, first half (fitted)", "FC correlation, second half (not fitted)")
SHOWN = ["LThal", "LPCC", "LPrec"]  # regions whose time series are drawn


def frequencies(recording: Recording) -> Tensor:
    """The mean frequency of each region's power between 0.01 and 0.1 Hz, (N,), in rad/ms."""
    f = torch.fft.rfftfreq(len(recording.data), recording.tr)  # per ms
    band = (f >= 1e-5) & (f <= 1e-4)
    power = torch.fft.rfft(recording.data, dim=0).abs().square()[band]
    return 2 * torch.pi * (f[band] @ power) / power.sum(0)


def build(recording: Recording) -> tm.Network:
    """Noisy nodes below their bifurcation, uncoupled at first; a signal of 1 is about one standard deviation."""
    n, start, noise = len(recording.labels), Normal(0.0, 1.0), tm.WhiteNoise(0.02)
    values = {"a": torch.full((n,), -2e-4), "w": frequencies(recording), "beta": 2e-5}
    node = tm.HopfStep(in_size=n, **values, init_x=start, init_y=start, noise_x=noise, noise_y=noise)
    net = tm.Network(node, conn=torch.zeros(n, n), coupling="additive", coupled_var="x", k=3e-4)
    net.free(a=(-1e-3, 1e-3), weights=(-1.0, 1.0))
    net.get_parameter("coupling.raw.weights").register_hook(lambda g: g * (1 - torch.eye(n)))  # keep the diagonal 0
    return net


def simulate(sim: tm.Simulator, recording: Recording, simulations: int, seed: int) -> Tensor:
    """Simulations as long as `recording`, sampled like it: (T, simulations, N)."""
    start, end, every = TRANSIENT * recording.tr, (TRANSIENT + len(recording.data)) * recording.tr, recording.tr / DT
    options = {"transient": start, "sample_every": round(every), "batch_size": simulations, "seed": seed}
    return sim.run(end, monitors=["x"], **options)["x"]


def mismatch(x: Tensor, recording: Recording) -> Tensor:
    """Mean squared difference of FC and of lag-1 correlation between the average simulation and the recording."""
    fc = functional_connectivity(x).mean(0) - functional_connectivity(recording.data)
    lagged = lagged_correlation(x, 1).mean(0) - lagged_correlation(recording.data, 1)
    return fc.square().mean() + lagged.square().mean()


def fit(sim: tm.Simulator, net: tm.Network, recording: Recording, steps: int, seed: int) -> None:
    """Adam on `a` and the weights; every step sees 16 new simulations, so that no noise is learnt by heart."""
    optimiser = torch.optim.Adam(net.parameters(), lr=0.05)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for step in (bar := tqdm(range(steps), desc="fit", unit="step")):
        optimiser.zero_grad()
        loss = mismatch(simulate(sim, recording, simulations=16, seed=1000 * seed + step), recording)
        loss.backward()
        optimiser.step()
        schedule.step()
        bar.set_postfix(loss=f"{loss.item():.4f}")


@torch.no_grad()
def evaluate(sim: tm.Simulator, first: Recording, second: Recording) -> tuple[list[float], Tensor]:
    """The numbers of `ROWS` on 64 simulations with noise that the fit never saw, and these, (T, 64, N)."""
    x = simulate(sim, first, simulations=64, seed=10**9)
    fcs = functional_connectivity(torch.stack([first.data, second.data], 1))  # (2, N, N)
    scores = fc_correlation(functional_connectivity(x).mean(0), fcs)
    return [mismatch(x, first).item(), *scores.tolist()], x


def draw(net: tm.Network, x: Tensor, recording: Recording, folder: Path) -> None:
    """Recorded and simulated FC and time series, and `a` per region."""
    folder.mkdir(parents=True, exist_ok=True)
    names, shown = recording.labels, [recording.labels.index(name) for name in SHOWN]
    fc_figure, fcs = plt.subplots(1, 2, figsize=(14, 5.4), layout="constrained")
    series_figure, series = plt.subplots(2, 1, figsize=(8, 4.6), sharex=True, sharey=True, layout="constrained")
    pairs = (("Recorded, first half", recording.data[:, None]), ("Simulated after the fit", x))  # (T, b, N)
    for left, right, (title, data) in zip(fcs, series, pairs, strict=True):
        fc, one = functional_connectivity(data).mean(0), Recording(data[:, 0], recording.tr, names).standardised()
        plot_functional_connectivity(fc, is_matrix=True, labels=names, ax=left).set(title=title, xlabel="", ylabel="")
        plot_timeseries(one.data[:, shown], one.ts / 1000, SHOWN, ax=right)
        right.set(title=title, xlabel="time (s)", ylabel="standard deviations")
        right.label_outer()
    a_figure, ax = plt.subplots(figsize=(8, 3.6), layout="constrained")
    ax.stem(names, 1e4 * net.node.value("a").detach(), basefmt="C7-")
    ax.set(ylabel="fitted a (10⁻⁴ per ms)", title="Alone, a node is at rest below 0 and oscillates above")
    ax.tick_params("x", rotation=90)
    for name, figure in {"fc": fc_figure, "timeseries": series_figure, "a": a_figure}.items():
        figure.savefig(folder / f"{name}.png", dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description="Fit a Hopf network to a resting-state recording.")
    parser.add_argument("--steps", type=int, default=80, help="optimiser steps")
    parser.add_argument("--seed", type=int, default=0, help="seed of the noise in the fit")
    parser.add_argument("--figures", type=Path, default=Path("figures"), help="where the figures go")
    options = parser.parse_args()
    torch.set_num_threads(1)  # 28 nodes are too little work to share: on a busy machine threads wait for each other

    first, second = (recording := nitime_fmri()).halves()
    net = build(first)
    sim = tm.Simulator(net, dt=DT, method="rk4")
    before, _ = evaluate(sim, first, second)
    fit(sim, net, first, options.steps, options.seed)
    after, x = evaluate(sim, first, second)
    draw(net, x, first, options.figures)

    print(f"{sim.check_dt(len(first.data) * first.tr)}\n\n{'':48}{'before':>8}{'after':>8}")
    for name, *values in zip(ROWS, before, after, strict=True):
        print(f"{name:48}{values[0]:8.3f}{values[1]:8.3f}")
    for name, one in {"raw (used)": recording, "0.01-0.1 Hz (not used)": recording.band_pass(0.01, 0.1)}.items():
        p, q = (functional_connectivity(half.data) for half in one.halves())
        print(f"{'ceiling: half against half, ' + name:56}{fc_correlation(p, q):8.3f}")


if __name__ == "__main__":
    main()
