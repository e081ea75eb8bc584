// What the generated `Step` of a network says of its links.
#ifndef TORCHMASS_EXCHANGE_H
#define TORCHMASS_EXCHANGE_H

namespace tm {

template <int> struct Phase {};  // of a step: what can be computed before nodes hear of each other once more

// all alike; weights; weights and delays; some of these shorter than a step; weights of the pairs that are connected
enum Form { total, dense, late, mixed, sparse };
struct LinkForm { int form, first, channels; };  // of what is sent, its channels begin at `first`
// a sum that a step reads: a link's channel, known from phase `level` on, at a fraction `c` of the step; `later` is the
// place of what is sent for it within the step, if it is
struct ArrivalForm { int link, channel, level; double c; int later; };

constexpr bool at_once(int form) { return form == dense || form == sparse; }
constexpr bool delayed(int form) { return form == late || form == mixed; }

}  // namespace tm

#endif
