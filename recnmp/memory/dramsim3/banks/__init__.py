"""Banks and ranks under the policy ``dramsim3``: what their queued requests need, and when it is legal."""
