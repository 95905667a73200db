"""The tests of ganmod; README.md beside this file says what each folder needs."""
