"""The parts of a report, a file each: functions of a run that give a `Section`, or None where there is nothing."""
