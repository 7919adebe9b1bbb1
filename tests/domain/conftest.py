"""How properties run here."""

from hypothesis import settings

# A busy machine must not fail a property.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
