"""Reviewing a generated set: people's decisions in a journal, and the page they are made on."""
