"""Parameters of our models, made of those of The Virtual Brain, called theirs."""

from collections.abc import Callable
from typing import Any

from torchmass.tvb.reading import Reader

Values = dict[str, Any]
HZ = 1e3  # of a kHz
SECONDS = 1e-3  # of a ms
MV = 1e3  # of a V
WONG_WANG = "a_e b_e d_e gamma_e tau_e w_p W_e a_i b_i d_i gamma_i tau_i W_i J_N J_i I_o I_ext G lamda"
CHANNELS = "gCa gK gL gNa TCa TK TNa d_Ca d_K d_Na VCa VK VL VNa phi tau_K"
LARTER_BREAKSPEAR = f"{CHANNELS} aee aei aie ane ani b C Iext rNMDA VT d_V ZT d_Z QV_max QZ_max t_scale"
EPILEPTOR = "a b c d r x0 Iext slope Iext2 tau aa bb Kvf Kf Ks tt modification"


def named(names: str, **others: str) -> Callable[[Reader], Values]:
    """Parameters of the same name and unit in both, and `others`, ours=theirs, of the same unit."""
    pairs = {name: name for name in names.split()} | others
    return lambda m: {ours: getattr(m, theirs) for ours, theirs in pairs.items()}


def must(holds: Any, rule: str) -> None:
    """Raise a `ValueError` unless a parameter lets the equations agree."""
    if not bool(holds):
        raise ValueError(f"the equations agree only where {rule}; change it in The Virtual Brain or write the model.")


def jansen_rit(m: Reader) -> Values:
    """Theirs has rates in kHz, time in ms, and half the largest rate."""
    rates = {"be": HZ * m.a, "bi": HZ * m.b, "s_max": 2 * HZ * m.nu_max, "mu": HZ * m.mu}
    return named("v0 r", Ae="A", Ai="B", C="J", a1="a_1", a2="a_2", a3="a_3", a4="a_4")(m) | rates


def reduced_wong_wang(m: Reader) -> Values:
    """Theirs has rates in kHz and d in ms."""
    return named("gamma w J_N I_o", tau_S="tau_s")(m) | {"a": HZ * m.a, "b": HZ * m.b, "d": SECONDS * m.d}


def montbrio_pazo_roxin(m: Reader) -> Values:
    """Theirs has a current besides η, and a Γ that acts nowhere."""
    return named("tau J", delta="Delta")(m) | {"eta": m.eta + m.I}


def balanced_wong_wang(m: Reader) -> Values:
    """Theirs has a gain of each region, on slope and threshold."""
    rates = {name: m.M_i * getattr(m, name) for name in ("a_e", "b_e", "a_i", "b_i")}
    return named(WONG_WANG)(m) | rates


def wilson_cowan(m: Reader) -> Values:
    """Theirs scales what arrives by α before the sigmoid and has amplitudes and refractory fractions of its own."""
    must((m.shift_sigmoid != 0).all(), "WilsonCowan.shift_sigmoid is True")
    must((m.alpha_e > 0).all() and (m.alpha_i > 0).all(), "WilsonCowan.alpha_e and alpha_i are > 0")
    must((m.c_e * m.k_e == 1).all() and (m.c_i * m.k_i == 1).all(), "WilsonCowan's c_e k_e and c_i k_i are 1")
    must((m.r_e / m.k_e == m.r_i / m.k_i).all(), "WilsonCowan's r_e/k_e and r_i/k_i are the same")
    excitatory = {"a_E": m.a_e * m.alpha_e, "theta_E": m.b_e / m.alpha_e, "P": m.P - m.theta_e, "r": m.r_e / m.k_e}
    inhibitory = {"a_I": m.a_i * m.alpha_i, "theta_I": m.b_i / m.alpha_i, "Q": m.Q - m.theta_i}
    weights = named("", wEE="c_ee", wEI="c_ei", wIE="c_ie", wII="c_ii", tau_E="tau_e", tau_I="tau_i")(m)
    return weights | excitatory | inhibitory


def zerlaut(m: Reader) -> Values:
    """Theirs has rates in kHz, thresholds in V and inhibition from outside, which ours lacks."""
    for kind in ("ex_in", "in_in"):
        outside = getattr(m, f"external_input_{kind}") * m.K_ext_i
        must((outside == 0).all(), f"Zerlaut's external_input_{kind} times K_ext_i is 0")
    external = {name: HZ * getattr(m, name) for name in ("external_input_ex_ex", "external_input_in_ex")}
    must(all((value >= 0).all() for value in external.values()), "Zerlaut's external inputs are ≥ 0")
    thresholds = {f"P_{k}{n}": MV * value for k in "ei" for n, value in enumerate(m.vector(f"P_{k}"))}
    cells = "g_L E_L_e E_L_i C_m b_e a_e b_i a_i tau_w_e tau_w_i"
    synapses = "E_e E_i Q_e Q_i tau_e tau_i N_tot p_connect_e p_connect_i g K_ext_e T"
    return named(f"{cells} {synapses}")(m) | external | thresholds  # S_i of theirs acts in the second order alone
