"""Candidates and vectors become rankings."""
