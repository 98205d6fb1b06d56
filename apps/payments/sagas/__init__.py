"""The sagas that move money outside. Nothing else in the project may call a provider."""
