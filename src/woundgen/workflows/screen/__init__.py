"""Screening of drawn images, and the job of `woundgen calibrate`."""
