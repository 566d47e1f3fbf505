"""What a detector is worth, in numbers: functions of arrays, each beside its definition."""
