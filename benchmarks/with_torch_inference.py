"""torchmass's simulations for inference, as `simulator_for_sbi` runs them: summaries included."""

import torch
from engine import Engine, Work
from inference_cases import DELTA, DT, ETA, EVERY, TAU, InferenceCase, J

import torchmass as tm

HZ = 1000 / TAU  # of a spike per tau


def build(case: InferenceCase) -> Work:
    """The covariance of the rates over each run; without noise the rates themselves."""
    r, v = (torch.from_numpy(start).float() for start in case.start())
    values = {"tau": TAU, "delta": DELTA, "J": J, "eta": ETA, "init_r": r * HZ, "init_v": v}
    if case.noise:
        values["noise_r"] = tm.WhiteNoise(HZ * (2 * case.noise / TAU) ** 0.5)
        values["noise_v"] = tm.WhiteNoise((4 * case.noise / TAU) ** 0.5)
    node, weights = tm.MontbrioPazoRoxinStep(case.regions, **values), torch.from_numpy(case.weights()).float()
    net = tm.Network(node, weights, coupling="additive", coupled_var="r", k=0.5 / HZ, hold=False)
    sim = tm.Simulator(net.free(k=(0.0, 2 / HZ)), dt=DT, backend="fused")
    gains = torch.from_numpy(case.gains()).float()[:, None] / HZ

    def series(sim: tm.Simulator) -> torch.Tensor:
        return sim.run(case.duration, monitors=["r"], sample_every=EVERY)["r"][1:].movedim(0, 1) / HZ

    def covariance(sim: tm.Simulator) -> torch.Tensor:
        return sim.run(case.duration, observe=[tm.Covariance().of("r")])["covariance"]

    simulate = tm.simulator_for_sbi(sim, ["k"], covariance if case.noise else series)
    return Work(lambda: simulate(gains, seed=0), lambda found: {"series": found.numpy()})


def engines() -> list[Engine[InferenceCase]]:
    """The one there is; others are compared with it."""
    return [Engine("torchmass fused", build)]
