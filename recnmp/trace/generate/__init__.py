"""Traces from a description: popularity laws, stack profiles, request generators, pooling factors, drift."""

from recnmp.trace.generate.build import Synthesised, synthesise
from recnmp.trace.generate.fit import Fitted, fit_spec
from recnmp.trace.generate.spec import SynthSpec, load_spec, spec_yaml

__all__ = ["Fitted", "SynthSpec", "Synthesised", "fit_spec", "load_spec", "spec_yaml", "synthesise"]
