"""What a noisy network does about a point of rest, to first order, without a simulation."""

from torchmass.linear.feedback_inhibition import feedback_inhibition as feedback_inhibition
from torchmass.linear.fixed_point import fixed_point as fixed_point
from torchmass.linear.linearisation import Linearisation as Linearisation
from torchmass.linear.linearisation import linearise as linearise
from torchmass.linear.lyapunov import lyapunov as lyapunov
