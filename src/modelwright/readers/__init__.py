"""Readers: functions of a study's rows. They compute no model and write nothing."""
