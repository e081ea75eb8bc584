"""C++ of a step of a network: the struct `Step` that include/network.h and network_adjoint.h run."""

from torchmass.kernels.cpp.single import Body, Functions, as_number, head_of, is_mask
from torchmass.kernels.step.exchange import DENSE, LATE, MIXED, SPARSE, TOTAL
from torchmass.kernels.step.phases import NetworkPhases, Phases
from torchmass.kernels.step.step_code import StepCode

FORMS = (TOTAL, DENSE, LATE, MIXED, SPARSE)  # in the order of `Form` in include/exchange.h


class NetworkFunctions(Functions):
    """The functions of `Step` for a network."""

    def __init__(self, code: StepCode) -> None:
        super().__init__(code)
        self.phases = NetworkPhases(code)

    def send(self) -> str:
        """What nodes send as a step begins."""
        body = Body(self.graph, self.code.x | self.code.q).compute(self.code.in_step(self.code.sends))
        return body.move("s", self.code.sends).function("send(const Fixed &q, const V *x, V *s)")

    def send_back(self) -> str:
        """The adjoint of what is sent."""
        code = self.code
        body = Body(self.graph, code.x | code.q | code.sent_back)
        body.adding("g", ([(node, 1)] for node in code.sends_back.states))
        body.adding("sum", code.sends_back.parts, len(code.step_back.parts) + len(code.rows_back.parts))
        body.compute(code.in_step(code.sends_back.nodes))
        return body.function("send_back(const Fixed &q, const V *x, const V *f, V *g, V *sum)")

    def _body(self, phases: Phases, phase: int) -> Body:
        masked = lambda node, text: f"({text} != V(T(0)))" if is_mask(self.graph, node) else text
        kept = {node: masked(node, text) for node, text in phases.read(phase).items()}
        return Body(self.graph, self.held | self.code.back | kept)

    def _keep(self, body: Body, phases: Phases, phase: int) -> None:
        for place, node in phases.kept(phase):
            value = body.called[node]
            body.lines.append(f"c[{place}] = {as_number(value) if is_mask(self.graph, node) else value};")

    def forward_phases(self) -> list[str]:
        """One step, cut."""
        code, phases, last = self.code, self.phases.forward, self.phases.count - 1
        functions = []
        for phase in range(last + 1):
            body = self._body(phases, phase).compute(phases.within(phase))
            self._keep(body, phases, phase)
            for k, (node, arrival) in enumerate(zip(code.later, self.phases.waiting, strict=True)):
                if arrival.level - 1 == phase:
                    body.lines.append(f"s[{k}] = {body.called[node]};")
            if phase == last:
                body.move("x", code.after)
            arguments = "const Fixed &q, V *x, const V *u, const V *z, const V *a, V *c, V *s"
            functions.append(body.function(f"phase(tm::Phase<{phase}>, {arguments})"))
        return functions

    def back_phases(self) -> list[str]:
        """Its adjoint, cut."""
        code, back, phases, last = self.code, self.code.step_back, self.phases.back, self.phases.count - 1
        functions = []
        for phase in range(last + 1):
            body = self._body(phases, phase).adding("sum", back.parts).compute(phases.within(phase))
            self._keep(body, phases, phase)
            if phase == 0:
                body.lines += [f"s[{k}] = {body.called[node]};" for k, node in enumerate(code.later)]
            for k, (node, arrival) in enumerate(zip(back.arrived, code.step.arrivals, strict=True)):
                if last - arrival.level == phase:
                    body.lines.append(f"ga[{k}] = {body.called[node]};")
            if phase == last:
                body.lines += [f"gu[{k}] = {body.called[node]};" for k, node in enumerate(back.timed)]
                body.move("g", back.states)
            arguments = "const Fixed &q, const V *x, const V *u, const V *z, const V *a, const V *t"
            results = "V *g, V *ga, V *gu, V *s, V *c, V *sum"
            functions.append(body.function(f"back(tm::Phase<{phase}>, {arguments}, {results})"))
        return functions


def tables(code: StepCode) -> str:
    """What the loops know of links and arrivals before they run."""
    step, phases = code.step, NetworkPhases(code)
    channels = [[k for k, (link, *_) in enumerate(step.sends) if link == place] for place in range(len(step.links))]
    links = ", ".join(
        f"{{{FORMS.index(link.form)}, {ends[0] if ends else 0}, {len(ends)}}}"
        for link, ends in zip(step.links, channels, strict=True)
    )
    place = {(link, channel): k for k, (link, channel, _) in enumerate(step.sends)}
    waiting = {arrival.label: k for k, arrival in enumerate(phases.waiting)}
    channel = {(link, number): k - channels[link][0] for (link, number), k in place.items()}
    arrivals = ", ".join(
        f"{{{a.link}, {channel[a.link, a.channel]}, {a.level}, {a.c!r}, {waiting.get(a.label, -1)}}}"
        for a in step.arrivals
    )
    cross = len(phases.forward.crossing), len(phases.back.crossing) if code.has_adjoint else 0
    return f"""    static constexpr int phases = {phases.count}, links = {len(step.links)};
    static constexpr int arrivals = {len(step.arrivals)}, sends = {len(step.sends)}, later = {len(phases.waiting)};
    static constexpr int kept = {cross[0]}, kept_back = {cross[1]};
    static constexpr tm::LinkForm link[] = {{{links}}};
    static constexpr tm::ArrivalForm arrival[] = {{{arrivals or "{0, 0, 0, 0.0, -1}"}}};
"""


def network_source(code: StepCode, dtype: str) -> str:
    """The whole translation unit of a network: the forward loop, or the adjoint if the code has one."""
    functions = NetworkFunctions(code)
    head = head_of(code, dtype).replace("struct Step {", '#include "exchange.h"\n\nstruct Step {', 1)
    parts = [tables(code), functions.fix(), functions.output(), functions.send()]
    if not code.has_adjoint:
        return head + "\n".join([*parts, *functions.forward_phases()]) + '};\n#include "network.h"\n'
    parts += [functions.rows(), functions.send_back(), functions.close(), *functions.back_phases()]
    return head + "\n".join(parts) + '};\n#include "network_adjoint.h"\n'
