"""Figures for a paper from results, sweeps, searches, studies and traces: data first, then the drawing."""
