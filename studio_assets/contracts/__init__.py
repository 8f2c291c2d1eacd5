"""Every column we read, once: type, unit, meaning, allowed values, personal-data class."""
