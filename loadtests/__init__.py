"""Load tests: merchants who know the published contract only, and the proof of what they were told.

Law: nothing of Tillgate's own code is imported here.
"""
