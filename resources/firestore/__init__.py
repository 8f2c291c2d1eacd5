"""The doors to Firestore: one that reads, complete or honest about not being so, and one that writes little.

The writing door (``writes``) is the execution run's alone; everything else here only reads.
"""
