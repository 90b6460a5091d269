"""Many runs from one configuration: which they are, running them anywhere, tables of what they found."""
