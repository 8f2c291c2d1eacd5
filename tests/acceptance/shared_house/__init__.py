"""What is watched in one running pretend studio: starting one costs more than most tests in it.

The tests of this folder share it, whatever their file and order. So each works with things of its own,
waits for what it needs, and puts back what all share: the kill switch, quotas, exemptions, faults of devices.
What must stop, kill or configure a house has one of its own, outside of this folder.
"""
