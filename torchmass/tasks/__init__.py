"""Tasks that recurrent networks learn: sequences, time first, and what is to be answered to each."""

from torchmass.tasks.adding import AddingProblem as AddingProblem
from torchmass.tasks.digits import SequentialDigits as SequentialDigits
from torchmass.tasks.evidence import EvidenceIntegration as EvidenceIntegration
from torchmass.tasks.matching import DelayedMatchToSample as DelayedMatchToSample
from torchmass.tasks.trials import Trials as Trials
